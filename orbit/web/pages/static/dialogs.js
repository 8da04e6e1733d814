// Dialogs: forms, questions before something is lost, and secrets that are shown once.

import { Failure, announce, copyText, h } from "./common.js";

let count = 0;

const button = (label, onclick, kind = "") => h("button", { type: "button", class: `button ${kind}`, onclick }, label);

/** A modal dialog with a title. Closing it removes it; `onclose` hears of it. `leave()` is what Escape does. */
export function open(title, children, { wide = false, onclose = null, leave = null } = {}) {
  count += 1;
  const id = `dialog-title-${count}`;
  const dialog = h(
    "dialog",
    // What Escape does is for us to say: browsers close at the second one, whatever was to be asked first.
    { class: `card${wide ? " wide" : ""}`, "aria-labelledby": id, closedby: "none" },
    h("h2", { id }, title),
    children,
  );
  dialog.addEventListener("cancel", (event) => event.target === dialog && event.preventDefault());
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault();
    leave?.();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    onclose?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * A dialog with a form. `submit()` does the work and may throw a Failure, whose sentence is shown while the dialog
 * stays; what it returns is the result. Resolves to null if the dialog is closed without.
 */
export function openForm(title, children, { action, danger = false, submit, wide = false, more = [] }) {
  return new Promise((done) => {
    let result = null;
    const problem = h("p", { class: "problem", role: "alert", hidden: true });
    const send = h("button", { type: "submit", class: `button primary${danger ? " grave" : ""}` }, action);
    const cancel = button("Cancel", () => dialog.close());
    const form = h("form", { class: "stack" }, children, problem, h("div", { class: "actions end" }, more, cancel, send));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      problem.hidden = true;
      send.disabled = true;
      try {
        result = (await submit()) ?? true;
        dialog.close();
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        problem.textContent = failure.message;
        problem.hidden = false;
      } finally {
        send.disabled = false;
      }
    });
    const entered = () => [...form.querySelectorAll("input, select, textarea")].map((control) => control.value).join("\0");
    const before = entered();
    const leave = async () => {
      if (entered() === before || (await confirm("Discard what you have entered?", [], { action: "Discard", submit: () => true }))) {
        dialog.close();
      }
    };
    const dialog = open(title, form, { wide, onclose: () => done(result), leave });
  });
}

/**
 * Ask before something is done that cannot be undone, then do it. With `typed`, that text has to be typed first.
 * Resolves to null if it was not done.
 */
export function confirm(title, sentences, { action, submit, typed = "" }) {
  const children = sentences.map((sentence) => h("p", {}, sentence));
  if (typed) {
    const input = h("input", { type: "text", required: true, autocomplete: "off", spellcheck: "false" });
    input.addEventListener("input", () => input.setCustomValidity(input.value === typed ? "" : `Type ${typed}`));
    input.setCustomValidity(`Type ${typed}`);
    children.push(h("label", { class: "field" }, h("span", {}, "Type ", h("code", {}, typed), " to confirm"), input));
  }
  return openForm(title, children, { action, danger: true, submit });
}

/** Show a new key, the only time that there is one to show. */
export function showSecret(title, sentence, secret) {
  const input = h("input", { type: "text", readonly: true, class: "secret", "aria-label": "API key", spellcheck: "false" });
  input.value = secret;
  input.addEventListener("focus", () => input.select());
  const copy = button("Copy", async () => {
    input.select();
    // Over plain HTTP browsers offer no clipboard, and copyText's way around it ends where a dialog is open.
    const copied = isSecureContext ? await copyText(secret) : document.execCommand("copy");
    announce(copied ? "Copied." : "The browser did not allow copying; the key is selected.");
    if (copied) copy.textContent = "Copied";
    else input.focus();
  }, "primary");
  return new Promise((done) => {
    const actions = h("div", { class: "actions end" }, button("Done", () => dialog.close()));
    const body = h("div", { class: "stack" }, h("p", {}, sentence), h("div", { class: "copying" }, input, copy), actions);
    const dialog = open(title, body, { onclose: done }); // Escape does nothing: a key it took away would be lost
    copy.focus();
  });
}
