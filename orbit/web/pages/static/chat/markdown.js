// Markdown becomes elements. Markup in the text is shown as text; DOMPurify stands behind it in case something passes.

import { copyButton, h } from "../common.js";
import { drawFormulas, escape, MATH } from "./math.js";
import { Marked } from "../vendor/marked.esm.js";

const HARMLESS = {
  ALLOWED_TAGS: [
    ...["p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a"],
    ...["h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "img"],
  ],
  ALLOWED_ATTR: ["href", "start", "class", "align", "src", "alt"],
  ADD_URI_SAFE_ATTR: ["start", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};
const CITATION = /(?<![\w)])\[(\d{1,4})\]/;

const PICTURE = /^data:image\/(?:png|jpeg|gif|webp);base64,[\w+/=]+$/;
const BLOCKS = "p, h3, h4, h5, h6, li, ul, ol, blockquote, table, th, td";
const FIRST_LETTER = /\p{L}/u;
const RIGHT_TO_LEFT =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}\p{Script=Mandaic}]/u;

const SAFELY = {
  gfm: true,
  renderer: {
    html: ({ text }) => (/^<br\s*\/?>$/i.test(text.trim()) ? "<br>" : escape(text)),
    // A picture elsewhere would be fetched from wherever the text says, and tell that place what was asked.
    image: ({ href, text }) =>
      PICTURE.test(href)
        ? `<img src="${escape(href)}" alt="${escape(text || "Picture")}">`
        : `<a href="${escape(href)}">${escape(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    heading({ tokens, depth }) {
      const level = Math.min(6, depth + 2); // the page has the levels above
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
  },
  tokenizer: {
    // "[1]: https://..." would make links of all citations [1].
    def: () => undefined,
  },
};
const ANSWER = new Marked({ ...SAFELY, breaks: true }, { extensions: MATH }); // models end lines where they mean it,
const DOCUMENT = new Marked({ ...SAFELY, breaks: false }); // files where the line was full

/** Shows Markdown in an element; while the text grows, only the blocks that change are made again. */
export class MarkdownView {
  constructor(element, { ofFile = false } = {}) {
    this.element = element;
    this.marked = ofFile ? DOCUMENT : ANSWER;
    this.blocks = [];
    this.cite = null;
  }

  /** `cite(number)` returns the element of a citation, or null if there is no such source; without it there are none. */
  show(text, cite) {
    const tokens = this.marked.lexer(text).filter((token) => token.type !== "space");
    let same = 0;
    if (cite === this.cite) {
      while (same < tokens.length && same < this.blocks.length && this.blocks[same].raw === tokens[same].raw) same++;
    }
    this.cite = cite;
    for (const block of this.blocks.splice(same)) block.nodes.forEach((node) => node.remove());
    for (const token of tokens.slice(same)) {
      const fragment = DOMPurify.sanitize(this.marked.parser([token]), HARMLESS);
      drawFormulas(fragment);
      finish(fragment);
      if (cite) addCitations(fragment, cite);
      const nodes = [...fragment.childNodes];
      this.element.append(fragment);
      this.blocks.push({ raw: token.raw, nodes });
    }
  }
}

function addCitations(fragment, cite) {
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement?.closest("code, pre, a, .formula")) texts.push(walker.currentNode);
  }
  for (let text of texts) {
    for (let match = CITATION.exec(text.data); match; match = CITATION.exec(text.data)) {
      const mark = cite(Number(match[1]));
      const cited = text.splitText(match.index);
      text = cited.splitText(match[0].length);
      if (mark) cited.replaceWith(mark);
    }
  }
}

/** Give each block the direction of its first letter: an answer in Hebrew may quote English, and the other way round. */
function direct(fragment) {
  for (const block of fragment.querySelectorAll(BLOCKS)) {
    const letter = FIRST_LETTER.exec(block.textContent)?.[0];
    if (letter) block.dir = RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr";
  }
  for (const code of fragment.querySelectorAll("code, pre")) code.dir = "ltr";
}

/** Links leave this tab alone, code can be copied, and what is wide scrolls by itself, by keyboard too. */
function finish(fragment) {
  direct(fragment);
  for (const link of fragment.querySelectorAll("a[href]")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    link.title = link.getAttribute("href");
  }
  for (const code of fragment.querySelectorAll("code[class]")) {
    const language = /^language-([\w+#.-]{1,24})$/.exec(code.className)?.[1] ?? "";
    code.removeAttribute("class"); // or a text could borrow the looks of the page's own parts
    code.dataset.language = language;
  }
  for (const pre of fragment.querySelectorAll("pre")) {
    const language = pre.firstElementChild?.dataset.language || "";
    const caption = h(
      "figcaption",
      {},
      h("span", {}, language),
      copyButton("Copy the code", () => pre.textContent),
    );
    const figure = h("figure", { class: "code" }, caption);
    pre.replaceWith(figure);
    figure.append(pre);
    scrollable(pre, language ? `Code, ${language}` : "Code");
  }
  for (const table of fragment.querySelectorAll("table")) {
    const box = h("div", { class: "table" });
    table.replaceWith(box);
    box.append(table);
    scrollable(box, "Table");
  }
}

function scrollable(element, label) {
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", label);
}
