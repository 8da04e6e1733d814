// The conversations as data, kept in this tab so that a reload shows them again.

import { tab } from "../common.js";
import { pack, unpack } from "./packing.js";

const INDEX = "orbit-conversations";
const SAVE_MILLISECONDS = 500;
const TITLE_CHARS = 200;

const newId = () => Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => part.toString(36)).join("");
const placeOf = (id) => `orbit-turn-${id}`;

/**
 * `turns` are those of the open conversation: { id, question, images, answer, thoughts, calls, sources, model, state,
 * remark, failure, remembered }; `state` is "running", "done", "stopped" or "failed", `failure` { sentence, retryAt,
 * way } in the last case. `session` names the server's memory of them, which still has `replaced` turns at its end
 * that were taken away here.
 */
export class Conversations {
  constructor() {
    this.all = []; // { id, session, replaced, title, at, turns: [id, ...] }, the oldest first
    this.current = null;
    this.turns = [];
    this.timer = null;
    addEventListener("pagehide", () => this.flush());
  }

  /** Read what the tab has kept. */
  async load() {
    const kept = tab.get(INDEX);
    if (!kept) return;
    this.all = kept.all;
    const open = this.all.find((one) => one.id === kept.current);
    if (open) await this.open(open.id);
  }

  get session() {
    return this.current?.session ?? null;
  }

  get replaced() {
    return this.current?.replaced ?? 0;
  }

  /** Conversations with turns, the newest first. */
  get listed() {
    return this.all.filter((one) => one.turns.length).sort((one, other) => other.at - one.at);
  }

  /** Keep the server's name of the conversation; `remembered` says whether the new answer took the place of others. */
  remember(session, remembered) {
    this.current.session = session;
    if (remembered) this.current.replaced = 0;
    this.saveIndex();
  }

  /** Begin a conversation; the one before is kept. */
  begin() {
    this.flush();
    this.current = null;
    this.turns = [];
    this.saveIndex();
  }

  async open(id) {
    this.flush();
    const opened = this.all.find((one) => one.id === id);
    const turns = await Promise.all(opened.turns.map(read));
    this.current = opened;
    this.turns = turns.filter(Boolean);
    for (const turn of this.turns) {
      if (turn.state !== "running") continue;
      turn.state = "stopped";
      turn.remark = "The page was reloaded before the answer was complete.";
    }
    this.saveIndex();
  }

  /** Forget a conversation; returns the server's name of it. */
  remove(id) {
    const removed = this.all.find((one) => one.id === id);
    this.all = this.all.filter((one) => one !== removed);
    if (removed === this.current) {
      this.turns = []; // or the one that is being answered would be saved once more
      this.begin();
    }
    for (const turn of removed.turns) tab.remove(placeOf(turn));
    this.saveIndex();
    return removed.session;
  }

  add(question, images, model) {
    if (!this.current) {
      const title = (question || "An image").slice(0, TITLE_CHARS);
      this.current = { id: newId(), session: null, replaced: 0, title, at: 0, turns: [] };
      this.all.push(this.current);
    }
    const nothingYet = { answer: "", thoughts: "", calls: [], sources: [], remark: "", failure: null, remembered: false };
    const turn = { id: newId(), question, images, model, state: "running", ...nothingYet };
    this.turns.push(turn);
    this.current.turns.push(turn.id);
    this.current.at = Date.now();
    this.save(turn);
    return turn;
  }

  /** Take away a turn, `alone` or with all after it. */
  cut(turn, { alone }) {
    const gone = this.turns.splice(this.turns.indexOf(turn), alone ? 1 : Infinity);
    for (const { id } of gone) tab.remove(placeOf(id));
    const left = new Set(this.turns.map(({ id }) => id));
    this.current.turns = this.current.turns.filter((id) => left.has(id));
    this.current.replaced += gone.filter((one) => one.remembered).length;
    this.saveIndex();
  }

  /** Save within half a second: for text that comes piece by piece. */
  saveSoon() {
    this.timer ??= setTimeout(() => this.flush(), SAVE_MILLISECONDS);
  }

  /** Save the turn that is being answered, and the list. */
  flush() {
    clearTimeout(this.timer);
    this.timer = null;
    const last = this.turns.at(-1);
    if (last?.state === "running") tab.set(placeOf(last.id), { turn: last });
    this.saveIndex();
  }

  /** Save a turn. A complete one is packed, and takes the place of the oldest ones if the tab's storage is full. */
  async save(turn) {
    const plain = tab.set(placeOf(turn.id), { turn });
    this.saveIndex();
    if (turn.state === "running") return;
    const packed = await pack(JSON.stringify(turn));
    if (!this.has(turn.id) || (plain && packed === null)) return;
    const value = packed === null ? { turn } : { packed };
    while (!tab.set(placeOf(turn.id), value)) {
      if (!this.dropOldest(turn.id)) return;
    }
    this.saveIndex();
  }

  has(id) {
    return this.all.some((one) => one.turns.includes(id));
  }

  /** Take the oldest turn but `kept` out of the storage; false if there is none. */
  dropOldest(kept) {
    const others = this.all.filter((one) => one !== this.current && one.turns.length);
    const from = others[0] ?? this.current;
    const oldest = from?.turns.find((id) => id !== kept);
    if (!oldest) return false;
    tab.remove(placeOf(oldest));
    from.turns = from.turns.filter((id) => id !== oldest);
    return true;
  }

  saveIndex() {
    if (!this.all.length) {
      tab.remove(INDEX);
      return;
    }
    while (!tab.set(INDEX, { current: this.current?.id ?? null, all: this.all })) {
      if (!this.dropOldest(this.turns.at(-1)?.id)) return;
    }
  }
}

async function read(id) {
  const kept = tab.get(placeOf(id));
  if (!kept) return null;
  return kept.turn ?? JSON.parse(await unpack(kept.packed));
}
