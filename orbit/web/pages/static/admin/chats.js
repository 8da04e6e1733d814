// The last chats, as the chat log holds them.

import { h } from "../common.js";
import { call, path } from "./api.js";
import { counted, duration, moment } from "./format.js";
import { badge, button, empty, fill, heading, when } from "./parts.js";

const KINDS = [
  ["", "All", {}],
  ["failed", "Failed", { failed: true }],
  ["blocked", "Blocked", { blocked: true }],
];
const STATUS = { ok: ["Answered", "good"], blocked: ["Blocked", "caution"], cancelled: ["Cancelled", "off"] };
const NOT_KEPT = "not kept (logging.file.content)";

/** Show the section; `kind` is "failed" or "blocked", or nothing for all. */
export async function showChats(main, kind = "") {
  const list = h("div", { class: "list" });
  const search = h("input", { type: "search", placeholder: "Words, or a request id", "aria-label": "Search in chats" });
  const kinds = h(
    "div",
    { class: "segments", role: "radiogroup", "aria-label": "Which chats" },
    KINDS.map(([value, label]) =>
      h("label", {}, h("input", { type: "radio", name: "kind", value, checked: value === kind }), h("span", {}, label)),
    ),
  );
  const form = h("form", { class: "filters" }, kinds, search, h("button", { class: "button" }, "Search"));
  const wanted = () => {
    const chosen = form.elements.kind.value;
    return { ...KINDS.find(([value]) => value === chosen)[2], ...(search.value.trim() && { text: search.value.trim() }) };
  };
  const reload = () => fill(list, () => load(wanted()));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    reload();
  });
  kinds.addEventListener("change", reload);
  main.replaceChildren(heading("Chats", "The end of the chat log, newest first, and only what it holds.", button("Refresh", reload)), form, list);
  await reload();
}

async function load(filter) {
  const { chats, before, kept } = await call("GET", `${path("chats")}?${new URLSearchParams(filter)}`);
  if (!kept) return empty("There is no chat log. Switch it on in the configuration with logging.file.enabled: true.");
  const list = h("div", { class: "chats" }, chats.map(chat));
  if (!before) return chats.length ? list : empty("There are no such chats.");
  let place = before;
  const more = button("Older", async () => {
    await fill(rest, async () => {
      const next = await call("GET", `${path("chats")}?${new URLSearchParams({ ...filter, before: place })}`);
      list.append(...next.chats.map(chat));
      place = next.before;
      return place ? more : h("p", { class: "hint" }, "That is all.");
    });
  });
  const rest = h("div", { class: "rest" }, more);
  return [list, rest];
}

function chat(record) {
  const at = new Date(record.timestamp).getTime() / 1000;
  const total = record.durations.total;
  return h(
    "details",
    { class: "chat" },
    h(
      "summary",
      {},
      badge(...(STATUS[record.status] ?? ["Failed", "bad"])),
      h("span", { class: "question", dir: "auto" }, record.query ?? NOT_KEPT),
      h("span", { class: "who", dir: "auto" }, record.client_name || record.key_hint),
      h("span", { class: "took" }, total === undefined ? "" : duration(total)),
      when(at),
    ),
    h(
      "dl",
      {},
      part("Question", record.query ?? NOT_KEPT),
      part("Answer", record.response ?? NOT_KEPT),
      part("Reason", record.reason),
      part("Status", STATUS[record.status] ? "" : record.status),
      part("Sources", record.sources.map((one) => (one.score === null ? one.source : `${one.source} (${one.score.toFixed(2)})`)).join(", ")),
      part("Tools", (record.tool_uses ?? []).map(toolUse).join("\n")),
      part("Time", Object.entries(record.durations).map(([stage, seconds]) => `${stage.replace("_", " ")} ${duration(seconds)}`).join(", ")),
      part("Tokens", `${counted(record.prompt_tokens, "token")} read, ${record.completion_tokens} written`),
      part("Model", [record.backend, record.model].filter(Boolean).join(" / ") + (record.tries > 1 ? `, after ${record.tries} tries` : "")),
      part("Key", [record.client_name, record.key_hint && `***${record.key_hint}`, record.collection].filter(Boolean).join(", ")),
      part("Request", `${record.request_id}, ${moment(at)}`),
    ),
  );
}

/** "weather {"city": "Bonn"} (12 ms): Rain", or what went wrong in place of the result. */
function toolUse({ name, arguments: given, status, seconds, result }) {
  const ended = [status === "ok" ? "" : status, seconds ? duration(seconds) : ""].filter(Boolean).join(", ");
  return `${name} ${given ?? ""}${ended && ` (${ended})`}${result ? `: ${result}` : ""}`;
}

function part(title, text) {
  return text ? h("div", {}, h("dt", {}, title), h("dd", { dir: "auto" }, text)) : null;
}
