// Formulas: \( \), \[ \], $ $ and $$ $$ in Markdown, drawn by KaTeX, which is loaded when the first one comes.

import { h } from "../common.js";

const INLINE = /^\\\([^]+?\\\)|^\$\$(?!\s*\n)[^\n]+?\$\$|^\$(?![\s$])((?:\\[^]|[^\\$\n])+?)(?<![\s\\])\$(?![\d\w$])/;
const BLOCK = /^ {0,3}(?:\\\[[^]+?\\\]|\$\$[^]+?\$\$) *(?:\n+|$)/;
const DISPLAY_INLINE = /^\\\[[^]+?\\\]/;
const MARKS = /^(?:\\[([]|\$\$?)|(?:\\[)\]]|\$\$?)$/g;
const UNFINISHED = /^\\[([]/;
const WORDS = /[\p{L}]{3,}[,.;:]?\s+[\p{L}]{2,}/u; // "$5 for the book and 3$" is about money

/** Text as HTML, for the renderers of marked: they return markup. */
export const escape = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Extensions for marked. What they find becomes <code class="math-inline"> or <code class="math-display">. */
export const MATH = [
  {
    name: "mathBlock",
    level: "block",
    start: (text) => /\n {0,3}(?:\\\[|\$\$)/.exec(text)?.index,
    tokenizer(text) {
      const found = BLOCK.exec(text);
      if (found) return { type: "mathBlock", raw: found[0], text: found[0].trim() };
    },
    renderer: ({ text }) => `<p><code class="math-display">${escape(text)}</code></p>`,
  },
  {
    name: "mathInline",
    level: "inline",
    start: (text) => /\\[([]|\$/.exec(text)?.index,
    tokenizer(text) {
      const display = DISPLAY_INLINE.exec(text);
      if (display) return { type: "mathInline", raw: display[0], text: display[0], display: true };
      const found = INLINE.exec(text);
      if (!found) {
        // The end is still to come, or never will; Markdown would take the backslash away.
        return UNFINISHED.test(text) ? { type: "text", raw: text.slice(0, 2), text: text.slice(0, 2) } : undefined;
      }
      if (found[1] && !found[1].includes("\\") && WORDS.test(found[1])) return undefined;
      return { type: "mathInline", raw: found[0], text: found[0], display: found[0].startsWith("$$") };
    },
    renderer: ({ text, display }) => `<code class="math-${display ? "display" : "inline"}">${escape(text)}</code>`,
  },
];

/** Draw the formulas of a fragment, now or as soon as KaTeX is loaded. */
export function drawFormulas(fragment) {
  for (const code of fragment.querySelectorAll("pre > code.language-math")) {
    code.parentElement.replaceWith(h("p", {}, h("code", { class: "math-display" }, code.textContent.trim())));
  }
  for (const code of fragment.querySelectorAll("code.math-inline, code.math-display")) {
    const display = code.className === "math-display";
    const place = h("span", { class: display ? "formula display" : "formula", dir: "ltr" }, h("code", {}, code.textContent));
    if (display) {
      place.tabIndex = 0;
      place.setAttribute("role", "region");
      place.setAttribute("aria-label", "Formula");
    }
    draw(place, code.textContent, display);
    code.replaceWith(place);
  }
}

let library = null; // the promise of KaTeX
let katex = null;

function draw(place, formula, displayMode) {
  if (katex) {
    render(place, formula, displayMode);
    return;
  }
  library ??= load();
  library.then(
    () => render(place, formula, displayMode),
    () => {
      library = null; // the server is away: the formula stays as it was written
    },
  );
}

async function load() {
  const styles = h("link", { rel: "stylesheet", href: new URL("../vendor/katex.min.css", import.meta.url).href });
  const styled = new Promise((done, failed) => {
    styles.addEventListener("load", done);
    styles.addEventListener("error", failed);
  });
  document.head.append(styles);
  try {
    await Promise.all([styled, import("../vendor/katex.min.js")]);
  } catch (error) {
    styles.remove();
    throw error;
  }
  katex = window.katex;
}

function render(place, formula, displayMode) {
  const drawn = h("span");
  try {
    // Sizes and macros have limits, and nothing links anywhere: a formula is a text of the model.
    katex.render(formula.replace(MARKS, ""), drawn, { displayMode, throwOnError: true, strict: "ignore", trust: false, maxSize: 20, maxExpand: 500 });
  } catch {
    return; // it stays as it was written
  }
  place.replaceChildren(...drawn.childNodes);
}
