// The tools that were called for an answer, with what they were given and what they returned.

import { h, icon } from "../common.js";

const WORDS = { running: "Calling ", ok: "Called ", error: "Failed: ", refused: "Not called: ", open: "Would call " };

/** One call, { name, status, seconds, arguments, result }, folded. */
export function toolCall({ name, status, seconds, arguments: given, result }) {
  const time = seconds >= 0.1 ? ` (${seconds.toFixed(1)} s)` : "";
  const title = h("span", {}, WORDS[status] ?? WORDS.ok, h("code", {}, name), status === "running" ? "…" : time);
  const known = [part("Arguments", given), part("Result", result)].flat();
  if (!known.length) return h("p", { class: "aside", "data-status": status }, title);
  return h(
    "details",
    { class: "aside", "data-status": status },
    h("summary", {}, icon("chevron"), title),
    h("dl", {}, known),
  );
}

function part(label, value) {
  if (value === undefined || value === null) return [];
  return [h("dt", {}, label), h("dd", {}, h("pre", { tabindex: "0" }, readable(value) || "nothing"))];
}

/** JSON with a line for each field; anything else as it is. */
function readable(value) {
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}
