// The models that the key may ask, of which the visitor chooses one if there are several.

import { h, request, tab } from "../common.js";

const NAME = "orbit-model";
const ALIAS = "orbit"; // a second name of the default model, for clients of OpenAI's API

export class Models {
  /** `select` is the element of the choice; `onChange()` is called when another model is chosen. */
  constructor(select, onChange) {
    this.select = select;
    this.list = [];
    select.addEventListener("change", () => {
      tab.set(NAME, select.value);
      onChange();
    });
  }

  /** Learn the models of a key; without an answer there is no choice, until the next try. */
  async load(key) {
    let listed = [];
    try {
      const response = await request("/v1/models", { headers: { Authorization: `Bearer ${key}` } });
      listed = (await response.json()).data;
    } catch {
      // The next question says what is wrong.
    }
    if (!listed.length) return;
    this.list = listed.filter(({ id }) => id !== ALIAS || listed.length === 1);
    this.select.replaceChildren(...this.list.map(({ id }) => h("option", { value: id }, id)));
    const kept = tab.get(NAME);
    if (this.list.some(({ id }) => id === kept)) this.select.value = kept;
    this.select.hidden = this.list.length < 2;
  }

  /** Forget the models of a key, and the choice. */
  forget() {
    this.list = [];
    this.select.hidden = true;
    tab.remove(NAME);
  }

  /** The chosen model's name; empty if there is no choice. What was chosen before counts until the list is there. */
  get chosen() {
    if (!this.list.length) return tab.get(NAME) ?? "";
    return this.list.length > 1 ? this.select.value : "";
  }

  /** Whether the chosen model can see pictures. */
  get sees() {
    const model = this.list.find(({ id }) => id === this.select.value) ?? this.list[0];
    return Boolean(model?.supports?.includes("images"));
  }
}
