// System prompts, and all that each of them ever was.

import { announce, h } from "../common.js";
import { all, call, path } from "./api.js";
import { confirm, openForm } from "../dialogs.js";
import { counted, moment } from "./format.js";
import { button, empty, field, fill, heading, hidden, table, when } from "./parts.js";

export async function showPrompts(main) {
  const list = h("div", { class: "list" });
  const reload = () => fill(list, () => load(reload));
  main.replaceChildren(
    heading("Prompts", "What the model is told before each question.", button("New prompt", () => create(reload), "primary")),
    list,
  );
  await reload();
}

async function load(reload) {
  const [prompts, keys] = await Promise.all([all(path("prompts")), all(path("api-keys"))]);
  if (!prompts.length) return empty("There is no prompt yet. Keys without one use general.default_system_prompt.");
  prompts.sort((one, other) => one.name.localeCompare(other.name));
  const users = (prompt) => keys.filter((key) => key.system_prompt_id === prompt.id).length;
  return table(
    "System prompts",
    [
      ["Name", (prompt) => [h("span", { class: "main", dir: "auto" }, prompt.name), h("small", { class: "cut", dir: "auto" }, prompt.prompt)]],
      ["Version", (prompt) => h("code", {}, prompt.version)],
      ["Changed", (prompt) => when(prompt.updated_at)],
      ["Used by", (prompt) => counted(users(prompt), "key")],
      ["", (prompt) => button(["Edit", hidden(` the prompt ${prompt.name}`)], () => edit(prompt, reload), "small")],
    ],
    prompts,
  );
}

function controls(prompt = {}) {
  const name = h("input", { type: "text", required: true, maxlength: 200, autocomplete: "off" });
  const text = h("textarea", { rows: 12, required: true, maxlength: 200_000, dir: "auto" });
  const version = h("input", { type: "text", maxlength: 100, autocomplete: "off", placeholder: prompt.version ? "Counted up by itself" : "1.0" });
  name.value = prompt.name ?? "";
  text.value = prompt.prompt ?? "";
  const fields = [h("div", { class: "pair" }, field("Name", name), field("New version", version)), field("Text", text)];
  const values = () => ({ name: name.value, prompt: text.value, ...(version.value && { version: version.value }) });
  return { fields, values, text };
}

async function create(reload) {
  const { fields, values } = controls();
  const made = await openForm("New prompt", fields, {
    action: "Keep the prompt",
    submit: () => call("POST", path("prompts"), values()),
    wide: true,
  });
  if (!made) return;
  announce("The prompt is kept. Give it to keys on their page.");
  await reload();
}

async function edit(prompt, reload) {
  const { fields, values, text } = controls(prompt);
  const versions = h("details", { class: "versions" }, h("summary", {}, "Earlier versions"));
  versions.addEventListener("toggle", () => versions.open && showVersions(versions, prompt, text), { once: true });
  let removing = false;
  const away = button("Delete", (event) => {
    removing = true;
    event.target.closest("dialog").close();
  }, "danger");
  const changed = await openForm(`Prompt ${prompt.name}`, [...fields, versions], {
    action: "Save",
    submit: () => call("PUT", path("prompts", prompt.id), values()),
    wide: true,
    more: [away],
  });
  if (changed) announce(`Saved as version ${changed.version}.`);
  if (changed || (removing && (await remove(prompt)))) await reload();
}

function showVersions(versions, prompt, text) {
  const list = h("div", { class: "stack" });
  versions.append(list);
  return fill(list, async () => {
    const [, ...earlier] = await call("GET", `${path("prompts", prompt.id)}/versions`);
    if (!earlier.length) return h("p", { class: "hint" }, "This is the first version.");
    return earlier.map((version) => {
      const use = button(["Use this text again", hidden(` of version ${version.version}`)], () => {
        text.value = version.prompt;
        text.focus();
        announce("The text is in the form. Save to make it the next version.");
      }, "small");
      return h(
        "section",
        { class: "version", "aria-label": `Version ${version.version}` },
        h("p", { class: "hint" }, h("code", {}, version.version), ` from ${moment(version.updated_at)}`),
        h("pre", { dir: "auto", tabindex: "0" }, version.prompt),
        use,
      );
    });
  });
}

async function remove(prompt) {
  const users = (await all(path("api-keys"))).filter((key) => key.system_prompt_id === prompt.id);
  const sentences = ["Its text and all its versions are forgotten."];
  if (users.length) {
    const names = users.slice(0, 5).map((key) => key.client_name).join(", ");
    const more = users.length > 5 ? ` and ${users.length - 5} more` : "";
    sentences.push(`Keys use it: ${names}${more}. They get the default prompt instead.`);
  }
  const done = await confirm(`Delete the prompt ${prompt.name}?`, sentences, {
    action: "Delete the prompt",
    submit: () => call("DELETE", `${path("prompts", prompt.id)}?force=${users.length > 0}`),
  });
  if (done) announce("Deleted.");
  return done;
}
