// The tools that an answer called, with what they were given and what they returned.

import { h, icon } from "../common.js";

/** One call, { name, arguments, result }, folded. */
export function toolCall({ name, arguments: given, result }) {
  return h(
    "details",
    { class: "aside" },
    h("summary", {}, icon("chevron"), h("span", {}, "Called ", h("code", {}, name))),
    h(
      "dl",
      {},
      h("dt", {}, "Arguments"),
      h("dd", {}, text(given || "none")),
      result !== undefined && result !== null && [h("dt", {}, "Result"), h("dd", {}, text(result))],
    ),
  );
}

function text(value) {
  return h("pre", { tabindex: "0" }, readable(value));
}

/** JSON with a line for each field; anything else as it is. */
function readable(value) {
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}
