// One question and its answer on the page.

import { announce, copyButton, h, icon } from "../common.js";
import { MarkdownView } from "./markdown.js";
import { citePlainly, Sources } from "./sources.js";

const WAYS = { again: "Try again", edit: "Change the question", signIn: "Enter another key" };

export class TurnView {
  /** `ways` are what can be done next: `again(turn)` asks once more, `edit(turn)` changes the question, `signIn()` the key. */
  constructor(turn, ways) {
    this.turn = turn;
    this.ways = ways;
    this.prose = h("div", { class: "prose", dir: "auto" });
    this.markdown = new MarkdownView(this.prose);
    this.waiting = h("div", { class: "waiting" }, h("i"), h("i"), h("i"));
    this.answer = h(
      "div",
      { class: "answer" },
      h("h2", { class: "visually-hidden" }, "Answer"),
      this.prose,
      this.waiting,
    );
    this.element = h(
      "article",
      { class: "turn" },
      h("h2", { class: "visually-hidden" }, "Question"),
      h("p", { class: "asked", dir: "auto" }, turn.question),
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
      this.markdown.show(this.turn.answer, citePlainly);
    });
  }

  /** Show how the turn ended, and say it. */
  finish({ aloud = true } = {}) {
    const { turn } = this;
    cancelAnimationFrame(this.frame);
    this.waiting.remove();
    const sources = new Sources(turn.sources);
    this.markdown.show(turn.answer, sources.cite);
    this.prose.hidden = !turn.answer;
    if (turn.remark) this.answer.append(h("p", { class: "remark" }, turn.remark));
    if (turn.failure) this.answer.append(this.failure(turn.failure, aloud));
    const known = turn.sources.length > 0;
    this.answer.append(h("div", { class: "after" }, known && sources.heading, this.actions()));
    if (known) this.answer.append(sources.list);
    if (aloud && !turn.failure) announce(this.spoken());
  }

  spoken() {
    const { turn } = this;
    const count = turn.sources.length;
    const sources = count ? `${count} ${count === 1 ? "source" : "sources"}.` : "";
    return ["Answer:", this.prose.innerText, turn.remark, sources].filter(Boolean).join(" ");
  }

  actions() {
    const { turn } = this;
    const retry = "Ask again";
    return h(
      "div",
      { class: "actions" },
      turn.answer && copyButton("Copy the answer", () => turn.answer),
      turn.state === "stopped" &&
        h(
          "button",
          {
            type: "button",
            class: "icon-button",
            "aria-label": retry,
            title: retry,
            onclick: () => this.ways.again(turn),
          },
          icon("retry"),
        ),
    );
  }

  failure(failure, aloud) {
    const onclick = () => this.ways[failure.way](this.turn);
    const button = h("button", { type: "button", class: "button small", onclick }, WAYS[failure.way]);
    if (failure.retryAt) countDown(button, failure.retryAt);
    return h("div", { class: "problem failure" }, h("p", { role: aloud ? "alert" : null }, failure.sentence), button);
  }
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
