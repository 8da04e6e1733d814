// API keys: make, copy once, change, rotate, deactivate, delete.

import { announce, h } from "../common.js";
import { all, call, path } from "./api.js";
import { confirm, openForm, showSecret } from "../dialogs.js";
import { counted, date, number } from "./format.js";
import { badge, button, empty, field, fill, heading, hidden, table, when } from "./parts.js";

const SHOWN = 200;
const STATUS = { active: ["Active", "good"], inactive: ["Inactive", "off"], expired: ["Expired", "off"] };
const BUDGETS = ["requests_per_day", "requests_per_month", "tokens_per_day", "tokens_per_month"];
const GRACE = [
  ["0", "ends at once"],
  ["3600", "works for another hour"],
  ["86400", "works for another day"],
  ["604800", "works for another week"],
];

/** Show the section. `make` is a collection to make a key for at once. */
export async function showKeys(main, make = "") {
  const list = h("div", { class: "list" });
  const filter = h("input", { type: "search", placeholder: "Filter by client, collection or notes", "aria-label": "Filter keys" });
  const view = { list, filter, keys: [], prompts: [], collections: [], models: [] };
  const reload = () => fill(list, () => load(view, reload));
  filter.addEventListener("input", () => list.replaceChildren(...rows(view, reload)));
  main.replaceChildren(
    heading("Keys", "Who may ask, from which documents, and how often.", button("New key", () => create(view, reload), "primary")),
    h("div", { class: "filters" }, filter),
    list,
  );
  await reload();
  if (make) create(view, reload, make);
}

async function load(view, reload) {
  const collections = call("GET", path("collections")).then(
    (library) => library.collections.map((one) => one.name),
    () => null, // keys can be administered while the store of documents is away
  );
  [view.keys, view.prompts, view.models, view.collections] = await Promise.all([
    all(path("api-keys")),
    all(path("prompts")),
    call("GET", path("models")).then((models) => models.map((one) => one.name), () => []),
    collections,
  ]);
  view.keys.sort((one, other) => other.created_at - one.created_at);
  view.filter.parentElement.hidden = view.keys.length === 0;
  return rows(view, reload);
}

function rows(view, reload) {
  if (!view.keys.length) return [empty("There is no key yet. Clients need one to ask anything.")];
  const wanted = view.filter.value.trim().toLowerCase();
  const shown = view.keys.filter((key) =>
    [key.client_name, key.collection ?? "", key.notes, key.api_key, key.id].some((text) => text.toLowerCase().includes(wanted)),
  );
  if (!shown.length) return [empty("No key fits the filter.")];
  const more = shown.length - SHOWN;
  const promptOf = (key) => view.prompts.find((prompt) => prompt.id === key.system_prompt_id)?.name;
  const keys = table(
    "API keys",
    [
      ["Client", (key) => [h("span", { class: "main", dir: "auto" }, key.client_name), key.notes && h("small", { dir: "auto" }, key.notes)]],
      ["Key", (key) => h("code", {}, key.api_key)],
      ["Collection", (key) => key.collection ?? h("span", { class: "soft" }, "the default")],
      ["Prompt", (key) => promptOf(key) ?? h("span", { class: "soft" }, "the default")],
      ["Limits", limits],
      ["Models", (key) => key.models.join(", ") || h("span", { class: "soft" }, "all")],
      ["Groups", (key) => key.groups.join(", ") || h("span", { class: "soft" }, "none")],
      ["Made", (key) => when(key.created_at)],
      ["Status", (key) => [badge(...STATUS[key.status]), key.expires_at && h("small", {}, `until ${date(key.expires_at)}`)]],
      ["", (key) => button(["Manage", hidden(` the key of ${key.client_name}`)], () => manage(key, view, reload), "small")],
    ],
    shown.slice(0, SHOWN),
  );
  return more > 0 ? [keys, h("p", { class: "hint rest" }, `${counted(more, "more key")}; filter to find the one you look for.`)] : [keys];
}

/** The limit and the budgets of a key. */
function limits({ requests_per_minute: limit, budgets }) {
  if (!limit && !budgets.length) return h("span", { class: "soft" }, "none");
  const used = budgets.map((one) =>
    h("small", { title: `until ${date(one.resets_at)}` }, `${number(one.used)} of ${number(one.limit)} ${inWords(one.name)}`),
  );
  return [limit && `${number(limit)} / min`, ...used];
}

/** The name of a budget, such as tokens_per_day, in words. */
const inWords = (name) => name.replace("_per_", " a ");

/** The controls of what can be said of a key, and what they say. */
function controls(view, key = {}) {
  const name = h("input", { type: "text", required: true, maxlength: 200, autocomplete: "off" });
  const list = h("datalist", { id: "key-collections" }, (view.collections ?? []).map((collection) => h("option", { value: collection })));
  const collection = h("input", { type: "text", maxlength: 200, list: "key-collections", autocomplete: "off", placeholder: "The default collection" });
  const prompt = h(
    "select",
    {},
    h("option", { value: "" }, "The default prompt"),
    view.prompts.map((one) => h("option", { value: one.id }, `${one.name} (${one.version})`)),
  );
  const models = h("input", { type: "text", autocomplete: "off", placeholder: "All models" });
  const groups = h("input", { type: "text", autocomplete: "off", placeholder: "No groups" });
  const limit = h("input", { type: "number", min: 1, max: 1_000_000, step: 1, placeholder: "No limit" });
  const budgets = BUDGETS.map((name) => {
    const input = h("input", { type: "number", min: 1, max: 1_000_000_000_000, step: 1, placeholder: "No budget" });
    input.value = key[name] ?? "";
    return input;
  });
  const ends = h("input", { type: "datetime-local" });
  const notes = h("textarea", { rows: 2, maxlength: 4000 });
  name.value = key.client_name ?? "";
  collection.value = key.collection ?? "";
  prompt.value = key.system_prompt_id ?? "";
  models.value = (key.models ?? []).join(", ");
  groups.value = (key.groups ?? []).join(", ");
  limit.value = key.requests_per_minute ?? "";
  ends.value = key.expires_at ? localTime(key.expires_at) : "";
  notes.value = key.notes ?? "";
  const endsBefore = ends.value;
  const unknown = h("small", { class: "hint", role: "status" });
  collection.addEventListener("input", () => {
    const name = collection.value.trim();
    unknown.textContent = name && view.collections?.includes(name) === false ? "There is no collection of this name yet." : "";
  });
  const listed = (input) => input.value.split(",").map((one) => one.trim()).filter(Boolean);
  const named = () => listed(models);
  const gone = h("small", { class: "hint", role: "status" });
  models.addEventListener("input", () => {
    const missing = named().filter((one) => view.models.length && !view.models.includes(one));
    gone.textContent = missing.length ? `There is no model of this name: ${missing.join(", ")}.` : "";
  });
  const fields = [
    field("Client", name, "Who the key is for."),
    h("div", { class: "pair" }, h("div", {}, field("Collection", collection), list, unknown), field("System prompt", prompt)),
    field("Models", models, `Separated by commas; the first is the default. There are: ${view.models.join(", ")}.`),
    gone,
    field("Groups", groups, "Separated by commas. They may read files that are restricted to them."),
    h("div", { class: "pair" }, field("Requests per minute", limit), field("Ends", ends)),
    h("div", { class: "pair" }, field("Requests per day", budgets[0]), field("Requests per month", budgets[1])),
    h("div", { class: "pair" }, field("Tokens per day", budgets[2]), field("Tokens per month", budgets[3])),
    h("p", { class: "hint" }, "Days and months are those of the calendar in UTC."),
    field("Notes", notes),
  ];
  const values = () => ({
    client_name: name.value,
    collection_name: collection.value.trim() || null,
    notes: notes.value,
    models: named(),
    groups: listed(groups),
    requests_per_minute: limit.value ? Number(limit.value) : null,
    ...Object.fromEntries(BUDGETS.map((name, place) => [name, budgets[place].value ? Number(budgets[place].value) : null])),
    // Left alone it is not sent: its seconds are not in the field, and one that has passed could not be set again.
    ...(ends.value === endsBefore ? {} : { expires_at: ends.value ? new Date(ends.value).getTime() / 1000 : null }),
  });
  return { fields, values, prompt };
}

async function create(view, reload, collection = "") {
  const { fields, values, prompt } = controls(view, { collection });
  const made = await openForm("New key", fields, {
    action: "Make the key",
    submit: () => call("POST", path("api-keys"), { ...values(), system_prompt_id: prompt.value || null }),
  });
  if (!made) return;
  const reloaded = reload();
  const sentence = `This is the key of ${made.client_name}. Copy it now: it is not shown again.`;
  await showSecret("The key is made", sentence, made.api_key);
  await reloaded;
}

async function manage(key, view, reload) {
  const { fields, values, prompt } = controls(view, key);
  let then = null;
  const leadTo = (what) => (event) => {
    then = what;
    event.target.closest("dialog").close();
  };
  const active = key.active ? button("Deactivate", leadTo(deactivate)) : button("Activate", leadTo(activate));
  const dangers = h(
    "div",
    { class: "more" },
    h("p", { class: "hint" }, h("code", {}, key.api_key), " made ", when(key.created_at), ", id ", h("code", {}, key.id)),
    h("div", { class: "actions" }, button("Rotate", leadTo(rotate)), active, button("Delete", leadTo(remove), "danger")),
  );
  const saved = await openForm(`Key of ${key.client_name}`, [...fields, dangers], {
    action: "Save",
    submit: async () => {
      await call("PATCH", path("api-keys", key.id), values());
      if ((prompt.value || null) !== key.system_prompt_id) {
        await call("POST", `${path("api-keys", key.id)}/prompt`, { prompt_id: prompt.value || null });
      }
    },
  });
  if (saved) announce("Saved.");
  if (saved || (then && (await then(key)))) await reload();
}

async function rotate(key) {
  const grace = h("select", {}, GRACE.map(([seconds, words]) => h("option", { value: seconds }, words)));
  const rotated = await openForm(
    `Rotate the key of ${key.client_name}?`,
    [h("p", {}, "The client gets a new key and keeps everything else."), field("The present key", grace)],
    {
      action: "Rotate",
      submit: () => call("POST", `${path("api-keys", key.id)}/rotate`, { grace_seconds: Number(grace.value) }),
    },
  );
  if (!rotated) return false;
  const sentence = `This is the new key of ${rotated.client_name}. Copy it now: it is not shown again.`;
  await showSecret("The key is rotated", sentence, rotated.api_key);
  return true;
}

async function deactivate(key) {
  const done = await confirm(`Deactivate the key of ${key.client_name}?`, ["Requests with it are refused from now on. It can be activated again."], {
    action: "Deactivate",
    submit: () => call("POST", path("api-keys", "deactivate"), { api_key: key.id }),
  });
  if (done) announce("Deactivated.");
  return done;
}

async function activate(key) {
  const done = await openForm(`Activate the key of ${key.client_name}?`, [h("p", {}, "Requests with it are answered again.")], {
    action: "Activate",
    submit: () => call("PATCH", path("api-keys", key.id), { active: true }),
  });
  if (done) announce("Activated.");
  return done;
}

async function remove(key) {
  const done = await confirm(
    `Delete the key of ${key.client_name}?`,
    ["Requests with it are refused from now on, and nothing of it is kept. To keep its record, deactivate it instead."],
    { action: "Delete the key", submit: () => call("DELETE", path("api-keys", key.id)) },
  );
  if (done) announce("Deleted.");
  return done;
}

/** Unix seconds as the value of a datetime-local input. */
function localTime(at) {
  const local = new Date(at * 1000);
  return new Date(local.getTime() - local.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
