// The API key: asked for once, tried, and kept in this tab.

import { request, tab } from "../common.js";

const NAME = "orbit-key";
const NOT_ACCEPTED = "The server does not accept this key. Check that it is complete, or ask for another.";

export class Key {
  /** `onEntered()` is called when a key has been tried and is good. */
  constructor(onEntered) {
    this.value = tab.get(NAME);
    this.form = document.getElementById("key-form");
    this.input = document.getElementById("key");
    this.problem = document.getElementById("key-problem");
    this.button = this.form.querySelector("button");
    this.onEntered = onEntered;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.enter(this.input.value.trim());
    });
  }

  /** Show the form. */
  ask({ focus = true } = {}) {
    this.form.hidden = false;
    this.complain("");
    if (focus) this.input.focus();
  }

  forget() {
    this.value = null;
    tab.remove(NAME);
  }

  async enter(key) {
    this.complain("");
    this.button.disabled = true;
    try {
      await tryOut(key);
    } catch (failure) {
      this.form.hidden = false;
      this.complain(failure.status === 401 ? NOT_ACCEPTED : failure.message);
      this.input.select();
      this.input.focus();
      return;
    } finally {
      this.button.disabled = false;
    }
    this.value = key;
    tab.set(NAME, key);
    this.input.value = "";
    this.form.hidden = true;
    this.onEntered();
  }

  complain(sentence) {
    this.problem.textContent = sentence;
    this.problem.hidden = !sentence;
    this.input.setAttribute("aria-invalid", String(Boolean(sentence)));
  }
}

/** Whether the server knows the key, asked in the cheapest way there is. Throws a Failure. */
async function tryOut(key) {
  // What no header can carry is no key; fetch() would only say that the request failed.
  if (!/^[\x21-\x7e]+$/.test(key)) throw Object.assign(new Error(NOT_ACCEPTED), { status: 401 });
  await request("/v1/models", { headers: { Authorization: `Bearer ${key}` } });
}
