// The conversation as data, kept in this tab so that a reload shows it again.

import { tab } from "../common.js";

const NAME = "orbit-conversation";
const MOST_TURNS = 100;
const SAVE_MILLISECONDS = 500;

/**
 * `turns` are { question, answer, sources, state, remark, failure }; `state` is "running", "done", "stopped" or
 * "failed", `failure` { sentence, retryAt, way } in the last case. `session` names the server's memory of them.
 */
export class Conversation {
  constructor() {
    const kept = tab.get(NAME) ?? {};
    this.session = kept.session ?? null;
    this.turns = kept.turns ?? [];
    for (const turn of this.turns) {
      if (turn.state !== "running") continue;
      turn.state = "stopped";
      turn.remark = "The page was reloaded before the answer was complete.";
    }
    this.timer = null;
    addEventListener("pagehide", () => this.save());
  }

  add(question) {
    const turn = { question, answer: "", sources: [], state: "running", remark: "", failure: null };
    this.turns.push(turn);
    this.save();
    return turn;
  }

  remove(turn) {
    this.turns = this.turns.filter((other) => other !== turn);
    this.save();
  }

  clear() {
    this.turns = [];
    this.session = null;
    clearTimeout(this.timer);
    tab.remove(NAME);
  }

  /** Save within half a second: for text that comes piece by piece. */
  saveSoon() {
    this.timer ??= setTimeout(() => this.save(), SAVE_MILLISECONDS);
  }

  save() {
    clearTimeout(this.timer);
    this.timer = null;
    if (!this.turns.length) {
      tab.remove(NAME);
      return;
    }
    // A tab's storage has a limit: if all of it does not fit, the newest turns are kept.
    for (let count = MOST_TURNS; count >= 1; count = Math.floor(count / 2)) {
      if (tab.set(NAME, { session: this.session, turns: this.turns.slice(-count) })) return;
    }
  }
}
