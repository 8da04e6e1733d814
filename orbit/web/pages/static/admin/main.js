// The operator's page: signing in, and which section is shown.

import { Failure, h, icon, themeButton } from "../common.js";
import { resume, signIn, signOut } from "./api.js";
import { showChats } from "./chats.js";
import { showCollections } from "./collections.js";
import { showKeys } from "./keys.js";
import { showOverview } from "./overview.js";
import { problem } from "./parts.js";
import { showPrompts } from "./prompts.js";

const SECTIONS = {
  overview: ["Overview", showOverview],
  keys: ["Keys", showKeys],
  prompts: ["Prompts", showPrompts],
  collections: ["Collections", showCollections],
  chats: ["Chats", showChats],
};
const $ = (id) => document.getElementById(id);
const main = $("main");
const title = document.title;
let leaving = new AbortController(); // ends what the present section does again and again

themeButton($("theme"));
$("sign-out").append(icon("leave"));
$("sign-out").addEventListener("click", leave);
$("sections").append(...Object.entries(SECTIONS).map(([name, [label]]) => h("a", { href: `#${name}` }, label)));
window.addEventListener("hashchange", () => show(true));
start();

async function start() {
  try {
    if (!(await resume())) await signIn();
  } catch (failure) {
    main.replaceChildren(problem(failure, start));
    return;
  }
  $("sections").hidden = $("sign-out").hidden = false;
  await show(false);
}

/** Show the section that the address names: `#keys`, or `#keys/` and something that the section understands. */
async function show(moved) {
  const [name, argument = ""] = location.hash.slice(1).split("/");
  const known = name in SECTIONS ? name : "overview";
  const [label, section] = SECTIONS[known];
  leaving.abort();
  leaving = new AbortController();
  document.title = `${label} · ${title}`;
  for (const link of $("sections").children) {
    if (link.hash === `#${known}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (moved) {
    main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  // Each section has a place of its own, so that one that is still loading cannot write into the next.
  const place = h("div", { class: "section" });
  main.replaceChildren(place);
  await section(place, decoded(argument), leaving.signal);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // somebody's own address, not one of this page's links
  }
}

async function leave() {
  try {
    await signOut();
  } catch (failure) {
    // A session that has ended by itself is as good as signed out.
    if (!(failure instanceof Failure) || failure.status !== 401) {
      main.replaceChildren(problem(failure, leave));
      return;
    }
  }
  location.replace(location.pathname); // nothing that was shown stays in the memory of the page
}
