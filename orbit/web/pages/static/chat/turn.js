// One question and its answer on the page.

import { announce, copyButton, h, icon } from "../common.js";
import { MarkdownView } from "./markdown.js";
import { citePlainly, Sources } from "./sources.js";
import { toolCall } from "./tools.js";

const WAYS = { again: "Try again", edit: "Change the question", signIn: "Enter another key" };

export class TurnView {
  /** `ways` are what can be done next: `again(turn)` asks once more, `edit(turn)` changes the question, `signIn()` the key. */
  constructor(turn, ways) {
    this.turn = turn;
    this.ways = ways;
    this.prose = h("div", { class: "prose" });
    this.markdown = new MarkdownView(this.prose);
    this.waiting = h("div", { class: "waiting" }, h("i"), h("i"), h("i"));
    this.thinking = h("summary", {}, icon("chevron"), h("span", {}, "Thinking…"));
    this.thoughts = h("div", { class: "thought", tabindex: "0" });
    this.mind = h("details", { class: "aside" }, this.thinking, this.thoughts);
    this.tools = h("div", { class: "tools-used" });
    this.answer = h(
      "div",
      { class: "answer" },
      h("h2", { class: "visually-hidden" }, "Answer"),
      this.prose,
      this.waiting,
    );
    this.asked = h("p", { class: "asked", dir: "auto" }, turn.question);
    this.element = h(
      "article",
      { class: "turn" },
      h("h2", { class: "visually-hidden" }, "Question"),
      turn.images.length > 0 &&
        h("div", { class: "pictures" }, turn.images.map(({ url, name }) => h("img", { src: url, alt: name || "Picture" }))),
      turn.question && this.asked,
      this.answer,
    );
    this.frame = 0;
    if (turn.state !== "running") this.finish({ aloud: false });
  }

  /** Show the text so far, at the next repaint. */
  grow() {
    if (this.turn.answer) this.waiting.remove();
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.showThoughts();
      this.showCalls();
      this.markdown.show(this.turn.answer, citePlainly);
    });
  }

  showThoughts() {
    const { turn } = this;
    if (!turn.thoughts) return;
    if (!this.mind.isConnected) this.prose.before(this.mind);
    this.thoughts.textContent = turn.thoughts;
    this.thinking.lastChild.textContent = turn.state === "running" && !turn.answer ? "Thinking…" : "Thoughts";
  }

  showCalls() {
    const { calls } = this.turn;
    if (!calls.length) return;
    if (!this.tools.isConnected) this.prose.before(this.tools);
    calls.forEach((call, place) => {
      const shown = this.tools.children[place];
      if (shown?.dataset.status === call.status) return;
      if (shown) shown.replaceWith(toolCall(call));
      else this.tools.append(toolCall(call));
    });
  }

  /** Show how the turn ended, and say it. */
  finish({ aloud = true } = {}) {
    const { turn } = this;
    cancelAnimationFrame(this.frame);
    this.waiting.remove();
    const sources = new Sources(turn.sources);
    this.showThoughts();
    this.showCalls();
    this.markdown.show(turn.answer, sources.cite);
    this.prose.hidden = !turn.answer;
    if (turn.remark) this.answer.append(h("p", { class: "remark" }, turn.remark));
    if (turn.failure) this.answer.append(this.failure(turn.failure, aloud));
    const known = turn.sources.length > 0;
    this.answer.append(h("div", { class: "after" }, known && sources.heading, this.actions()));
    if (known) this.answer.append(sources.list);
    if (sources.more) this.answer.append(sources.more);
    if (aloud && !turn.failure) announce(this.spoken());
  }

  spoken() {
    const { turn } = this;
    const count = turn.sources.length;
    const sources = count ? `${count} ${count === 1 ? "source" : "sources"}.` : "";
    return ["Answer:", spokenText(this.prose), turn.remark, sources].filter(Boolean).join(" ");
  }

  actions() {
    const { turn } = this;
    const button = (label, picture, onclick) =>
      h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick }, icon(picture));
    return h(
      "div",
      { class: "actions" },
      turn.model && h("span", { class: "model", title: "The model that answered" }, turn.model),
      turn.answer && copyButton("Copy the answer", () => turn.answer),
      turn.failure?.way !== "again" && button("Ask again", "retry", () => this.ways.again(turn)),
      turn.failure?.way !== "edit" && button("Edit the question", "pencil", () => this.ways.edit(turn)),
    );
  }

  failure(failure, aloud) {
    const onclick = () => this.ways[failure.way](this.turn);
    const button = h("button", { type: "button", class: "button small", onclick }, WAYS[failure.way]);
    if (failure.retryAt) countDown(button, failure.retryAt);
    return h("div", { class: "problem failure" }, h("p", { role: aloud ? "alert" : null }, failure.sentence), button);
  }
}

/** The words of an answer, with formulas as they were written: KaTeX draws each twice, for eyes and for ears. */
function spokenText(prose) {
  const copy = prose.cloneNode(true);
  for (const formula of copy.querySelectorAll(".katex")) {
    formula.replaceWith(formula.querySelector("annotation")?.textContent ?? "");
  }
  for (const block of copy.querySelectorAll("p, li, th, td, h3, h4, h5, h6, pre, figcaption")) block.append(" ");
  return copy.textContent.replace(/\s+/g, " ").trim();
}

/** Keep a button from being used until a time (milliseconds since 1970), and show how long it still takes. */
function countDown(button, until) {
  const label = button.textContent;
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    button.disabled = seconds > 0;
    button.textContent = seconds > 0 ? `${label} in ${seconds} s` : label;
    if (seconds > 0) setTimeout(tick, 250);
  };
  tick();
}
