// The form that asks for the admin token, over whatever the page shows.

import { Failure, h } from "../common.js";

/** Ask until `begin(token)` succeeds. What the page shows behind the form stays as it is. */
export function askToSignIn(sentence, begin) {
  return new Promise((done) => {
    const token = h("input", {
      type: "password",
      required: true,
      autocomplete: "current-password",
      spellcheck: "false",
      autocapitalize: "none",
      "aria-describedby": "token-hint token-problem",
    });
    const problem = h("p", { class: "problem", id: "token-problem", role: "alert", hidden: true });
    const button = h("button", { type: "submit", class: "button primary" }, "Sign in");
    const complain = (text) => {
      problem.textContent = text;
      problem.hidden = !text;
      token.setAttribute("aria-invalid", String(Boolean(text)));
    };
    const form = h(
      "form",
      { class: "stack" },
      h("h1", { id: "sign-in-title" }, "Sign in"),
      sentence && h("p", {}, sentence),
      !isSecureContext &&
        h("p", { class: "caution" }, "This connection is not encrypted: others in the network could read the token."),
      // For password managers, which keep nothing without a name.
      h("input", { type: "text", autocomplete: "username", value: "admin", hidden: true }),
      h("label", { class: "field" }, h("span", {}, "Admin token"), token),
      h(
        "p",
        { class: "hint", id: "token-hint" },
        "It is ORBIT_ADMIN_TOKEN of the server's environment, or stands in the file ",
        h("code", {}, "admin-token"),
        " of its data folder.",
      ),
      problem,
      button,
    );
    const dialog = h("dialog", { class: "card sign-in", "aria-labelledby": "sign-in-title", closedby: "none" }, form);
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("keydown", (event) => event.key === "Escape" && event.preventDefault());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      complain("");
      button.disabled = true;
      try {
        await begin(token.value.trim());
        dialog.close();
        dialog.remove();
        done();
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        complain(failure.message);
        token.select();
        token.focus();
      } finally {
        button.disabled = false;
      }
    });
    document.body.append(dialog);
    dialog.showModal();
    token.focus();
  });
}
