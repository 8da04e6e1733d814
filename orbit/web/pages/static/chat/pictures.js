// Pictures for a question: chosen, pasted or dropped, made small enough for a model, and shown until they are sent.

import { announce, h, icon } from "../common.js";

const KINDS = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const LONGEST_SIDE = 1568; // what models see of a picture at most
const SMALL_BYTES = 400_000;
const MOST = 6;

export class Pictures {
  /** `list` shows them, `input` chooses files, `onChange()` is called when there are more or fewer. */
  constructor(list, input, onChange) {
    this.list = list;
    this.items = [];
    this.onChange = onChange;
    input.accept = KINDS.join(",");
    input.addEventListener("change", () => {
      this.add([...input.files]); // the list is emptied with the input
      input.value = "";
    });
  }

  async add(files) {
    for (const file of files) {
      if (!file.type.startsWith("image/")) {
        this.complain(`${file.name} is not a picture.`);
      } else if (this.items.length >= MOST) {
        this.complain(`At most ${MOST} pictures go with a question.`);
        return;
      } else {
        await this.addOne(file);
      }
    }
  }

  async addOne(file) {
    let url;
    try {
      url = await small(file);
    } catch {
      this.complain(`This browser cannot read ${file.name || "the picture"}.`);
      return;
    }
    this.items.push({ url, name: file.name });
    announce(`${file.name || "A picture"} is attached.`);
    this.show();
  }

  complain(sentence) {
    this.show(sentence);
    announce(sentence);
  }

  /** Take the pictures away and return them. */
  take() {
    const { items } = this;
    this.set([]);
    return items;
  }

  set(items) {
    this.items = items;
    this.show();
  }

  show(sentence = "") {
    this.list.replaceChildren(
      ...this.items.map((item) => {
        const label = `Remove ${item.name || "the picture"}`;
        const remove = () => this.set(this.items.filter((other) => other !== item));
        const button = h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick: remove });
        button.append(icon("close"));
        return h("li", {}, h("img", { src: item.url, alt: item.name || "Picture" }), button);
      }),
      ...(sentence ? [h("li", { class: "remark" }, sentence)] : []),
    );
    this.list.hidden = !this.list.hasChildNodes();
    this.onChange();
  }
}

/** A data URL of a picture, no larger than a model can see. */
async function small(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  if (scale === 1 && file.size <= SMALL_BYTES && KINDS.includes(file.type)) return dataUrl(file);
  const canvas = h("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const drawing = canvas.getContext("2d");
  drawing.fillStyle = "#ffffff"; // JPEG knows no transparency
  drawing.fillRect(0, 0, canvas.width, canvas.height);
  drawing.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.87);
}

function dataUrl(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => done(reader.result));
    reader.addEventListener("error", failed);
    reader.readAsDataURL(file);
  });
}
