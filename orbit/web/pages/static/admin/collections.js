// Collections of documents: what is in them, putting files in, taking them out.

import { announce, h } from "../common.js";
import { all, call, path } from "./api.js";
import { confirm } from "../dialogs.js";
import { counted, number } from "./format.js";
import { badge, button, empty, fill, heading, hidden, problem, table } from "./parts.js";
import { uploadForm } from "./upload.js";

const PAGE = 50;

export async function showCollections(main) {
  const list = h("div", { class: "list" });
  const uploads = h("div", {});
  const reload = () => fill(list, () => load(uploads, reload));
  main.replaceChildren(heading("Collections", "The documents that answers come from."), uploads, list);
  await reload();
}

async function load(uploads, reload) {
  const library = await call("GET", path("collections"));
  if (!library.store) {
    uploads.replaceChildren();
    return empty("No provider that keeps documents is enabled. Enable one, for example with a section chroma: in the configuration.");
  }
  // The form stays when the list is shown anew: it tells what became of an upload.
  if (!uploads.hasChildNodes()) uploads.append(uploadForm(library, reload));
  uploads.firstChild.offer(library.collections.map((one) => one.name));
  if (!library.collections.length) return empty("There is no collection yet. The first upload makes one.");
  return library.collections.map((collection) => card(collection, library, reload));
}

function card(collection, library, reload) {
  const documents = h("span", { class: "soft" }, "counting documents…");
  const inside = h("div", { class: "inside" });
  const show = (filter = "") => fill(inside, () => page(collection, library, filter, inside, shown));
  const shown = (filter) => Promise.all([show(filter), count(), recount()]);
  const passages = h("span", {}, counted(collection.passages, "passage"));
  const recount = async () => {
    const { collections } = await call("GET", path("collections"));
    collection.passages = collections.find((one) => one.name === collection.name)?.passages ?? 0;
    passages.textContent = counted(collection.passages, "passage");
  };
  const count = async () => {
    try {
      const { total } = await call("GET", `${path("collections", collection.name)}/documents?limit=1`);
      documents.replaceChildren(counted(total, "document"));
      documents.className = "";
    } catch (failure) {
      documents.replaceChildren(problem(failure));
    }
  };
  const details = h(
    "details",
    { class: "documents" },
    h("summary", {}, "Documents", hidden(` of ${collection.name}`)),
    inside,
  );
  details.addEventListener("toggle", () => details.open && show(), { once: true });
  count();
  const other = collection.embedding && collection.embedding !== library.embedding;
  return h(
    "article",
    { class: "card collection", "aria-label": `Collection ${collection.name}` },
    h(
      "div",
      { class: "heading" },
      h(
        "div",
        {},
        h("h2", {}, collection.name, other && badge("other embedding model", "caution")),
        h("p", { class: "facts" }, documents, " · ", passages),
        h("p", { class: "hint" }, collection.embedding ? `Vectors of ${collection.embedding}` : "No record of what made its vectors"),
      ),
      h(
        "div",
        { class: "actions" },
        h("a", { class: "button small", href: `#keys/${encodeURIComponent(collection.name)}` }, "New key", hidden(` for ${collection.name}`)),
        button(["Delete", hidden(` collection ${collection.name}`)], () => drop(collection, reload), "small danger"),
      ),
    ),
    details,
  );
}

/** A page of documents, with a filter if there are more than one shows. */
async function page(collection, library, filter, inside, shown) {
  const query = new URLSearchParams({ limit: PAGE, contains: filter });
  const { total, found, documents } = await call("GET", `${path("collections", collection.name)}/documents?${query}`);
  if (!total) return h("p", { class: "hint" }, "There is no document in it.");
  const list = h("ul", { class: "plain" }, documents.map((document) => row(document, collection, library, () => shown(filter))));
  const more = button("Show more", async () => {
    query.set("after", list.lastChild.dataset.source);
    const next = await call("GET", `${path("collections", collection.name)}/documents?${query}`);
    list.append(...next.documents.map((document) => row(document, collection, library, () => shown(filter))));
    more.hidden = list.childElementCount >= next.found;
  }, "small");
  more.hidden = documents.length >= found;
  const search = h("input", { type: "search", value: filter, placeholder: "Part of a name", "aria-label": `Filter the documents of ${collection.name}` });
  const form = h("form", { class: "filters" }, search, h("button", { class: "button small" }, "Filter"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await shown(search.value);
    inside.querySelector("input")?.focus();
  });
  return [total > PAGE && form, filter && h("p", { class: "hint" }, `${number(found)} of ${number(total)} documents`), list, more].filter(Boolean);
}

function row(document, collection, library, reload) {
  const name = document.source;
  return h(
    "li",
    { "data-source": name },
    h("span", { class: "file", dir: "auto" }, name),
    !document.complete && badge("incomplete, upload it again", "caution"),
    library.can_remove && button(["Remove", hidden(` ${name}`)], () => remove(name, collection, reload), "small danger"),
  );
}

async function remove(name, collection, reload) {
  const done = await confirm(`Remove ${name}?`, [`Answers from ${collection.name} no longer use it. The file itself is not touched.`], {
    action: "Remove",
    submit: () => call("DELETE", `${path("collections", collection.name)}/documents?${new URLSearchParams({ source: name })}`),
  });
  if (!done) return;
  announce("Removed.");
  await reload();
}

async function drop(collection, reload) {
  const users = (await all(path("api-keys"))).filter((key) => key.collection === collection.name);
  const sentences = [`All its documents are deleted: ${counted(collection.passages, "passage")}. This cannot be undone.`];
  if (users.length) sentences.push(`${counted(users.length, "key answers", "keys answer")} from it and will find nothing.`);
  const done = await confirm(`Delete the collection ${collection.name}?`, sentences, {
    action: "Delete the collection",
    submit: () => call("DELETE", `${path("collections", collection.name)}?${new URLSearchParams({ confirm: collection.name })}`),
    typed: collection.name,
  });
  if (!done) return;
  announce("Deleted.");
  await reload();
}
