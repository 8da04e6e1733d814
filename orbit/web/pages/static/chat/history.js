// The list of this tab's conversations: one is opened, or deleted after a question.

import { h, icon } from "../common.js";
import { confirm, open } from "../dialogs.js";

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Show the list. `go(id)` opens a conversation, `remove(id)` deletes it. */
export function showHistory(conversations, { go, remove }) {
  const list = h("ul", { class: "history" });
  const dialog = open("Conversations", [
    h("p", { class: "hint" }, "They are kept in this tab until it is closed."),
    list,
    h("div", { class: "actions end" }, h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Close")),
  ], { leave: () => dialog.close() });
  const show = () => {
    list.replaceChildren(...conversations.listed.map(item));
    if (!list.hasChildNodes()) dialog.close();
  };
  const item = (one) => {
    const current = one === conversations.current;
    const label = `Delete the conversation ${one.title}`;
    const entry = h(
      "button",
      {
        type: "button",
        class: "entry",
        "aria-current": current ? "true" : null,
        onclick: () => {
          dialog.close();
          if (!current) go(one.id);
        },
      },
      h("span", { class: "title", dir: "auto" }, one.title),
      h("span", { class: "hint" }, `${WHEN.format(one.at)}${current ? ", open" : ""}`),
    );
    const ask = async () => {
      if (await confirmDeletion(one.title, () => remove(one.id))) show();
    };
    return h(
      "li",
      {},
      entry,
      h("button", { type: "button", class: "icon-button", "aria-label": label, title: "Delete", onclick: ask }, icon("bin")),
    );
  };
  show();
  dialog.querySelector("button")?.focus();
}

function confirmDeletion(title, submit) {
  const sentences = [`“${title}” is deleted in this tab and on the server.`, "This cannot be undone."];
  return confirm("Delete the conversation?", sentences, { action: "Delete", submit: () => (submit(), true) });
}
