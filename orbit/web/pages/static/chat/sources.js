// The numbered sources of an answer, and the citations in its text that open them.

import { h, icon } from "../common.js";
import { MarkdownView } from "./markdown.js";

const SHOWN = 3;
const MOST_WITHOUT_FOLD = 5;

let answers = 0;

/** The sources of one answer: `heading`, `list` and `more` to show, `cite(number)` for the mark in the text. */
export class Sources {
  constructor(unsorted) {
    const sources = bestFirst(unsorted);
    this.name = `answer-${++answers}`;
    this.items = new Map(sources.map((source) => [source.number, this.item(source)]));
    this.titles = new Map(sources.map((source) => [source.number, partsOf(source).section || titleOf(source)]));
    const heading = `${this.name}-sources`;
    this.heading = h("h3", { id: heading }, sources.length === 1 ? "1 source" : `${sources.length} sources`);
    this.list = h("ol", { class: "sources", "aria-labelledby": heading }, [...this.items.values()]);
    this.more = sources.length > MOST_WITHOUT_FOLD ? this.fold(sources.length) : null;
    this.cite = this.cite.bind(this);
  }

  /** Hide all but the first ones; returns the button that shows and hides the rest. */
  fold(count) {
    const rest = [...this.list.children].slice(SHOWN);
    const button = h("button", { type: "button", class: "button small more-sources", "aria-expanded": "false" });
    this.unfold = (open) => {
      for (const item of rest) item.hidden = !open;
      button.setAttribute("aria-expanded", String(open));
      button.textContent = open ? "Show fewer sources" : `Show all ${count} sources`;
    };
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "false";
      this.unfold(open);
      if (!open) this.heading.scrollIntoView({ block: "nearest" });
    });
    this.unfold(false);
    return button;
  }

  item(source) {
    const title = titleOf(source);
    const { section, text } = partsOf(source);
    const file = source.source && source.source !== title ? source.source : "";
    const link = webAddress(source.link);
    const place = placeOf(source);
    return h(
      "li",
      { id: `${this.name}-source-${source.number}` },
      h(
        "details",
        {},
        h(
          "summary",
          {},
          h("span", { class: "citation" }, h("span", { class: "visually-hidden" }, "Source "), String(source.number)),
          h(
            "span",
            { class: "title", dir: "auto" },
            section || title,
            h("span", { class: "file" }, section && ` · ${title}`, file && ` · ${file}`, place && ` · ${place}`),
          ),
          typeof source.score === "number" &&
            h(
              "span",
              { class: "score", title: "Similarity to the question, 0 to 1" },
              h("span", { class: "visually-hidden" }, "similarity "),
              source.score.toFixed(2),
            ),
          icon("chevron"),
        ),
        h(
          "div",
          { class: "passage" },
          passage(source, text),
          source.also && h("p", { class: "also", dir: "auto" }, `The same in: ${source.also.join(", ")}`),
          link && h("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, linkText(link, source)),
        ),
      ),
    );
  }

  /** The mark of a citation: it opens its source. Null if the answer has no such source. */
  cite(number) {
    const item = this.items.get(number);
    if (!item) return null;
    const open = (event) => {
      event.preventDefault();
      if (item.hidden) this.unfold(true);
      const details = item.firstElementChild;
      details.open = true;
      details.firstElementChild.focus({ preventScroll: true });
      item.scrollIntoView({ block: "nearest", behavior: "smooth" });
    };
    const label = `Source ${number}: ${this.titles.get(number)}`;
    return h(
      "a",
      { class: "citation", href: `#${item.id}`, "aria-label": label, title: label, onclick: open },
      String(number),
    );
  }
}

/** The mark of a citation while the answer is still being written: its sources come last. */
export const citePlainly = (number) => h("span", { class: "citation" }, String(number));

/** The sources in the order of their scores, if all have one: after a follow-up, two searches have found them. */
function bestFirst(sources) {
  if (!sources.every((source) => typeof source.score === "number")) return sources;
  return [...sources].sort((one, other) => other.score - one.score); // equal ones stay as the model has them
}

function titleOf(source) {
  return source.title || source.source || `Passage ${source.number}`;
}

/** Where in its file a passage is: "page 3", or "sheet Prices, row 7". */
function placeOf(source) {
  return Object.entries(source.location || {})
    .map(([key, value]) => `${key} ${value}`)
    .join(", ");
}

/** A link to a file that ORBIT serves is long and says nothing, so the file's name stands for it. */
function linkText(link, source) {
  if (!new URL(link).searchParams.has("seal")) return link;
  const place = /#(page|line)=?(\d+)$/.exec(link);
  return place ? `Open ${source.source} at ${place[1]} ${place[2]}` : `Open ${source.source}`;
}

/** Passages of files begin with a line of the headings they stand under, "Title > Chapter > Section". */
function partsOf({ title, text }) {
  const end = text.indexOf("\n");
  const headings = text.slice(0, end).split(" > ");
  if (end < 0 || headings.length < 2 || headings[0] !== title) return { section: "", text };
  return { section: headings.slice(1).join(" > "), text: text.slice(end).trim() };
}

function passage({ source }, text) {
  if (!/\.(md|markdown)$/i.test(source)) return h("blockquote", { class: "plain", dir: "auto", tabindex: "0" }, text);
  const quote = h("blockquote", { class: "prose", dir: "auto", tabindex: "0" });
  new MarkdownView(quote, { ofFile: true }).show(text);
  return quote;
}

function webAddress(text) {
  if (!text) return null;
  try {
    const address = new URL(text);
    return ["http:", "https:"].includes(address.protocol) ? address.href : null;
  } catch {
    return null;
  }
}
