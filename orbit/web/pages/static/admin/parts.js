// The building blocks of all sections: headings, tables, labels, and waiting for the server.

import { Failure, h } from "../common.js";
import { ago, moment } from "./format.js";

/** The head of a section: its title, a sentence, and what can be done there. */
export function heading(title, sentence, ...actions) {
  return h(
    "div",
    { class: "heading" },
    h("div", {}, h("h1", {}, title), h("p", { class: "hint" }, sentence)),
    h("div", { class: "actions" }, actions),
  );
}

export function button(label, onclick, kind = "", attributes = {}) {
  return h("button", { type: "button", class: `button ${kind}`, onclick, ...attributes }, label);
}

export function badge(text, kind) {
  return h("span", { class: `badge ${kind}` }, text);
}

/** A moment, told relatively, with the exact time for those who point at it. */
export function when(at) {
  return h("time", { datetime: new Date(at * 1000).toISOString(), title: moment(at) }, ago(at));
}

let fields = 0;

/** A control under its label; the hint describes it without being part of its name. */
export function field(label, control, hint = "") {
  fields += 1;
  control.id = `field-${fields}`;
  if (hint) control.setAttribute("aria-describedby", `hint-${fields}`);
  return h(
    "div",
    { class: "field" },
    h("label", { for: control.id }, label),
    control,
    hint && h("small", { class: "hint", id: `hint-${fields}` }, hint),
  );
}

/**
 * A table, of which phones make a list of cards. `columns` are [title, cell(record)]; the first cell names its row.
 * The roles say again what the elements are, because browsers forget it where the style makes blocks of them.
 */
export function table(caption, columns, records) {
  const head = columns.map(([title]) => h("th", { scope: "col", role: "columnheader" }, title || hidden("Actions")));
  const rows = records.map((record) =>
    h(
      "tr",
      { role: "row" },
      columns.map(([title, cell], index) =>
        index === 0
          ? h("th", { scope: "row", role: "rowheader" }, cell(record))
          : h("td", { role: "cell", "data-title": title || null }, cell(record)),
      ),
    ),
  );
  return h(
    "table",
    { role: "table" },
    h("caption", { class: "visually-hidden" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    h("tbody", { role: "rowgroup" }, rows),
  );
}

export function hidden(text) {
  return h("span", { class: "visually-hidden" }, text);
}

/** What stands where there is nothing yet. */
export function empty(sentence, ...actions) {
  return h("div", { class: "empty" }, h("p", {}, sentence), actions);
}

/** Fill an element with what `work()` resolves to; if it fails, with the sentence and a button to try again. */
export async function fill(element, work) {
  element.setAttribute("aria-busy", "true");
  if (!element.hasChildNodes()) element.append(h("p", { class: "hint" }, "Loading…"));
  try {
    element.replaceChildren(...[await work()].flat());
  } catch (failure) {
    element.replaceChildren(problem(failure, () => fill(element, work)));
  } finally {
    element.removeAttribute("aria-busy");
  }
}

/** The sentence of a failure. Throws what is none: a mistake of this page, for its developer. */
export function problem(failure, again = null) {
  if (!(failure instanceof Failure)) throw failure;
  return h("div", { class: "problem", role: "alert" }, h("p", {}, failure.message), again && button("Try again", again, "small"));
}
