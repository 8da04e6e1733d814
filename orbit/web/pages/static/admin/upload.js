// Choosing files, sending them, and telling what became of each.

import { Failure, announce, h, sentence } from "../common.js";
import { path, upload } from "./api.js";
import { bytes, counted } from "./format.js";
import { button, field } from "./parts.js";

const SHOWN = 8;

/** The form. Its `offer(names)` sets the collections to choose from; `uploaded()` is called when some were stored. */
export function uploadForm(library, uploaded) {
  let files = []; // [name, File]
  let running = null;
  const names = h("datalist", { id: "upload-collections" });
  const collection = h("input", { type: "text", required: true, list: "upload-collections", autocomplete: "off", spellcheck: "false" });
  const choose = h("input", { type: "file", multiple: true, accept: library.readable.join(","), class: "visually-hidden", tabindex: "-1", "aria-hidden": "true" });
  const folder = h("input", { type: "file", webkitdirectory: true, class: "visually-hidden", tabindex: "-1", "aria-hidden": "true" });
  const chosen = h("div", { class: "chosen" });
  const send = h("button", { type: "submit", class: "button primary" }, "Upload");
  const stop = button("Stop", () => running?.abort());
  const progress = h("progress", { max: 1, "aria-label": "Progress of the upload" });
  const told = h("p", { class: "hint" });
  const outcome = h("div", { class: "outcome" });
  const zone = h(
    "div",
    { class: "zone" },
    h("p", {}, "Drop files here, or"),
    h("div", { class: "actions" }, button("Choose files", () => choose.click()), button("Choose a folder", () => folder.click())),
    h("p", { class: "hint" }, `${counted(library.readable.length, "kind")} of files, each up to ${bytes(library.max_file_bytes)}`),
    h("details", { class: "hint" }, h("summary", {}, "Which kinds"), library.readable.join(" ")),
    choose,
    folder,
  );
  const form = h(
    "form",
    { class: "card stack upload", "aria-label": "Add documents" },
    h("h2", {}, "Add documents"),
    h("div", { class: "from" }, h("div", {}, field("Collection", collection, "One that exists, or a new name."), names), zone),
    chosen,
    h("div", { class: "running", hidden: true }, progress, told),
    outcome,
    h("div", { class: "actions end" }, stop, send),
  );
  const bar = progress.parentElement;

  function take(added) {
    const known = new Map(files);
    for (const [name, file] of added) known.set(name, file);
    files = [...known];
    outcome.replaceChildren();
    show();
  }

  function show() {
    const size = files.reduce((sum, [, file]) => sum + file.size, 0);
    const tooLarge = size > library.max_upload_bytes;
    send.disabled = Boolean(running) || !files.length || tooLarge;
    stop.hidden = !running;
    zone.hidden = Boolean(running);
    bar.hidden = !running;
    chosen.replaceChildren();
    if (!files.length || running) return;
    const shown = files.slice(0, SHOWN).map(([name, file]) => h("li", {}, h("span", { class: "file", dir: "auto" }, name), h("span", { class: "soft" }, bytes(file.size))));
    if (files.length > SHOWN) shown.push(h("li", { class: "soft" }, `and ${counted(files.length - SHOWN, "more file")}`));
    const limit = `Together they have ${bytes(size)}; ${bytes(library.max_upload_bytes)} can be sent at once. Choose fewer.`;
    chosen.append(
      h("ul", { class: "plain" }, shown),
      tooLarge ? h("p", { class: "problem", role: "alert" }, limit) : "",
      button("Clear", () => {
        files = [];
        show();
      }, "small"),
    );
  }

  function tell(share, text) {
    if (share === null) progress.removeAttribute("value");
    else progress.value = share;
    told.textContent = text;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = new FormData();
    for (const [name, file] of files) body.append("files", file, name);
    running = new AbortController();
    outcome.replaceChildren();
    show();
    tell(0, "Sending…");
    announce(`Sending ${counted(files.length, "file")}.`);
    let last = null;
    try {
      await upload(`${path("collections", collection.value.trim())}/documents`, body, {
        signal: running.signal,
        onSent: (part) => (part < 1 ? tell(part, `Sending: ${Math.round(part * 100)} %`) : tell(null, "Reading the files…")),
        onTold: (line) => {
          last = line;
          if (line.event === "progress") {
            const embedded = line.waiting ? `, ${line.embedded} of ${line.waiting} embedded` : "";
            tell(line.done / line.total, `${line.done} of ${counted(line.total, "file")} read, ${counted(line.passages, "passage")} stored${embedded}`);
          }
        },
      });
      if (last?.event === "error") throw new Failure(sentence(last.problem.detail));
      if (last?.event !== "summary") throw new Failure("The server stopped before it was done. Upload the files again: what it has is left alone.");
      outcome.replaceChildren(summary(last));
      announce(outcome.firstChild.firstChild.textContent);
      files = [];
    } catch (failure) {
      if (failure.name === "AbortError") outcome.replaceChildren(h("p", { class: "hint" }, "Stopped. Files that were stored by then are in the collection."));
      else if (failure instanceof Failure) outcome.replaceChildren(h("p", { class: "problem", role: "alert" }, failure.message));
      else throw failure;
    } finally {
      running = null;
      choose.value = folder.value = "";
      show();
      await uploaded();
    }
  });

  choose.addEventListener("change", () => take([...choose.files].map((file) => [file.name, file])));
  // As `orbit ingest FOLDER` names them: relative to the folder.
  folder.addEventListener("change", () =>
    take(
      [...folder.files]
        .filter((file) => !file.webkitRelativePath.split("/").some((part) => part.startsWith(".")))
        .map((file) => [file.webkitRelativePath.split("/").slice(1).join("/"), file]),
    ),
  );
  for (const name of ["dragover", "dragleave", "drop"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", name === "dragover");
    });
  }
  zone.addEventListener("drop", (event) => take([...event.dataTransfer.files].map((file) => [file.name, file])));

  form.offer = (all) => {
    names.replaceChildren(...all.map((name) => h("option", { value: name })));
    if (!collection.value && all.length === 1) [collection.value] = all;
  };
  show();
  return form;
}

/** What became of every file: the counts, then each one that is not in the collection, with the reason. */
function summary(done) {
  const stored = done.added.length + done.updated.length + done.unchanged.length;
  const parts = [
    [done.added.length, "added"],
    [done.updated.length, "updated"],
    [done.unchanged.length, "unchanged"],
    [done.skipped.length, "skipped"],
    [done.failed.length, "failed"],
    [done.removed.length, "removed"],
  ].filter(([count]) => count);
  const counts = parts.map(([count, word]) => `${count} ${word}`).join(", ");
  const left = [...done.skipped, ...done.failed];
  const notes = [
    ...done.removed.map(({ source, reason }) => [source, `Earlier passages removed: it ${reason}`]),
    ...done.kept.map(({ source, reason }) => [source, `Still answers: it ${reason}`]),
    ...done.warnings.flatMap(({ source, warnings }) => warnings.map((warning) => [source, `Warning: ${warning}`])),
    ...done.shortened.map(({ source, reason }) => [source, `Shortened: ${reason}`]),
  ];
  return h(
    "div",
    { class: "stack" },
    h("p", { class: stored ? "success" : "problem" }, `${done.collection}: ${counts}. ${counted(done.passages, "passage")} written.`),
    left.length > 0 &&
      h(
        "ul",
        { class: "plain left-out", "aria-label": "Files that were not added" },
        left.map(({ source, reason }) => h("li", {}, h("span", { class: "file", dir: "auto" }, source), h("span", {}, reason))),
      ),
    notes.length > 0 &&
      h(
        "ul",
        { class: "plain left-out", "aria-label": "Files to look at" },
        notes.map(([source, note]) => h("li", {}, h("span", { class: "file", dir: "auto" }, source), h("span", {}, sentence(note)))),
      ),
    done.stopped && h("p", { class: "problem" }, sentence(`Stopped: ${done.stopped}`)),
  );
}
