// The chat page: what the parts do together.

import { announce, h, icon, routed, themeButton } from "../common.js";
import { confirm } from "../dialogs.js";
import { ask } from "./ask.js";
import { Conversations } from "./conversations.js";
import { embed, framed } from "./embedded.js";
import { showHistory } from "./history.js";
import { Key } from "./key.js";
import { Models } from "./models.js";
import { Pictures } from "./pictures.js";
import { Scrolling } from "./scrolling.js";
import { TurnView } from "./turn.js";
import { noteOn, remarkOn, sentenceOn, STOPPED, wayOn } from "./wording.js";

const $ = (id) => document.getElementById(id);
const composer = $("composer");
const question = $("question");
const cumulative = document.body.dataset.stream === "cumulative";
const hasKeyboard = matchMedia("(hover: hover)").matches;
const LEAVING_MILLISECONDS = 2000;
const SETTINGS_MILLISECONDS = 500;

const conversations = new Conversations();
const key = new Key(entered);
const models = new Models($("model"), offerTools);
const pictures = new Pictures($("pictures"), $("files"), fit);
const scrolling = new Scrolling($("latest"), $("conversation"));
const note = $("composer-note").textContent;
let running = null; // the AbortController of the answer under way
let editing = null; // the turn whose question is being changed, and what stood in the box before: { turn, draft }
let leaving = false;
let given = false; // whether the key is the embedding page's
let mayFocus = !framed; // a page that shows the chat beside other things keeps the focus

$("send").append(icon("arrowUp"));
$("stop").append(icon("stop"));
$("attach").append(icon("attach"));
$("new").prepend(icon("plus"));
$("history").append(icon("history"));
$("leave").append(icon("leave"));
$("latest").append(icon("arrowDown"));
themeButton($("theme"));
for (const text of JSON.parse(document.body.dataset.questions)) {
  const offer = h("button", { type: "button", class: "button", dir: "auto", onclick: () => start(text) }, text);
  $("suggestions").append(h("li", {}, offer));
}

/** Show what there is to show: the form for the key, the welcome, or the conversation. */
function show() {
  const empty = conversations.turns.length === 0;
  const known = Boolean(key.value);
  const others = conversations.listed.some((one) => one !== conversations.current);
  $("welcome").hidden = !known || !empty;
  $("conversation").hidden = !known || empty;
  $("new").hidden = !known || empty;
  $("history").hidden = !known || !(others || !empty);
  $("leave").hidden = !known || given;
  composer.hidden = !known;
  if (!known) return;
  fit();
  if (hasKeyboard && mayFocus) question.focus();
}

/** Show the turns of the open conversation. */
function showTurns() {
  $("conversation").replaceChildren();
  conversations.turns.forEach(addView);
  show();
}

function entered() {
  show();
  models.load(key.value).then(offerTools);
}

/** Offer what the chosen model can do. */
function offerTools() {
  $("attach").hidden = !models.sees;
  $("ask").classList.toggle("with-tools", models.sees || !$("model").hidden);
  fit();
}

/** Make the box as high as the text in it, and the button usable if there is something to send. */
function fit() {
  question.style.height = "auto";
  question.style.height = `${question.scrollHeight}px`;
  $("send").disabled = !(question.value.trim() || pictures.items.length);
}

function setRunning(controller) {
  running = controller;
  $("send").hidden = Boolean(controller);
  $("stop").hidden = !controller;
}

async function start(text, images = []) {
  if (running) return;
  mayFocus = true;
  const turn = conversations.add(text, images, models.chosen);
  const view = addView(turn);
  show();
  scrolling.begin();
  announce("Answering.");
  const controller = new AbortController();
  setRunning(controller);
  const more = (soFar) => {
    turn.answer = soFar.text;
    turn.thoughts = soFar.thoughts;
    turn.calls = soFar.calls;
    view.grow();
    conversations.saveSoon();
  };
  try {
    ended(turn, await ask({ key: key.value, body: bodyOf(turn), cumulative, signal: controller.signal }, more));
  } catch (error) {
    // Leaving the page cuts the stream a moment before the script ends; that is no failure to be kept.
    if (leaving) await new Promise((done) => setTimeout(done, LEAVING_MILLISECONDS));
    broken(turn, error);
  }
  if (running === controller) setRunning(null);
  if (!conversations.has(turn.id)) return; // it has been deleted meanwhile
  conversations.save(turn);
  if (!view.element.isConnected) return; // another conversation is open
  view.finish();
  scrolling.end(view.prose);
}

function bodyOf(turn) {
  const body = { message: turn.question, session_id: conversations.session ?? "new" };
  if (conversations.session && conversations.replaced) body.replaces = conversations.replaced;
  if (turn.model) body.model = turn.model;
  const images = turn.images.length ? turn.images : seenBefore(turn);
  if (images.length) body.parts = images.map(({ url }) => ({ type: "image", data: url }));
  return body;
}

/** The last pictures before a question, which it may be about: the server remembers words only. */
function seenBefore(turn) {
  if (!models.sees) return [];
  return conversations.turns.findLast((one) => one !== turn && one.images.length && one.remembered)?.images ?? [];
}

function ended(turn, end) {
  turn.state = "done";
  turn.sources = end.sources;
  // What the model would have a client call: this page has no tools of its own.
  turn.calls = [...turn.calls, ...(end.tool_calls ?? []).map((call) => ({ ...call, ...call.function, status: "open" }))];
  turn.remark = remarkOn(end, turn);
  turn.remembered = end.metadata.remembered;
  if (conversations.turns.includes(turn)) conversations.remember(end.session_id ?? null, turn.remembered);
  $("composer-note").textContent = noteOn(end) + note;
  if (!models.list.length) models.load(key.value).then(offerTools);
}

function broken(turn, error) {
  if (error.name === "AbortError") {
    turn.state = "stopped";
    turn.remark = STOPPED;
    return;
  }
  turn.state = "failed";
  turn.failure = {
    sentence: sentenceOn(error),
    way: wayOn(error),
    retryAt: error.retryAfter && error.code !== "budget_exceeded" ? Date.now() + 1000 * error.retryAfter : null,
  };
}

function addView(turn) {
  const view = new TurnView(turn, { again, edit, signIn });
  $("conversation").append(view.element);
  return view;
}

async function again(turn) {
  if (running) return;
  const later = turnsAfter(turn);
  if (turn.state === "done" && later) {
    const sentence = `The answer and ${counted(later)} after it will be removed.`;
    if (!(await confirm("Ask again?", [sentence], { action: "Ask again", submit: () => true })) || running) return;
  }
  remove(turn);
  start(turn.question, turn.images);
}

function edit(turn) {
  if (running) return;
  const draft = editing ? editing.draft : question.value;
  if (turn.state === "done") {
    editing = { turn, draft };
    const later = turnsAfter(turn);
    $("editing").firstElementChild.textContent = later
      ? `You are changing an earlier question. Its answer and ${counted(later)} after it will be removed.`
      : "You are changing your question. Its answer will be replaced.";
    $("editing").hidden = false;
  } else {
    stopEditing();
    remove(turn);
  }
  question.value = turn.question;
  pictures.set(turn.images);
  show();
  question.focus();
}

function stopEditing() {
  if (!editing) return;
  question.value = editing.draft;
  pictures.set([]);
  editing = null;
  $("editing").hidden = true;
  fit();
}

const turnsAfter = (turn) => conversations.turns.length - 1 - conversations.turns.indexOf(turn);
const counted = (turns) => (turns === 1 ? "the question" : `the ${turns} questions`);

/** Take a turn away: one that was answered with all after it, which build on it. */
function remove(turn) {
  conversations.cut(turn, { alone: turn.state !== "done" });
  showTurns();
}

function signIn() {
  key.forget();
  models.forget();
  show();
  key.ask();
}

/** End what is going on in the open conversation, before another is shown. */
function leaveConversation() {
  running?.abort();
  stopEditing();
}

function forgetOnServer(session) {
  if (!session) return;
  const path = `/chat/sessions/${encodeURIComponent(session)}`;
  fetch(routed(path), { method: "DELETE", headers: { "X-API-Key": key.value }, keepalive: true }).catch(() => {
    // The server forgets it by itself after a time.
  });
}

/** Forget everything, here and on the server. */
function forget() {
  leaveConversation();
  for (const { id } of [...conversations.all]) forgetOnServer(conversations.remove(id));
  key.forget();
  models.forget();
  question.value = "";
  showTurns();
  key.ask();
  return true;
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = question.value.trim();
  if (!(text || pictures.items.length) || running) return;
  const changed = editing;
  const images = pictures.take();
  stopEditing();
  if (changed) remove(changed.turn);
  else question.value = "";
  start(text, images);
});
$("editing").lastElementChild.addEventListener("click", () => {
  stopEditing();
  question.focus();
});
$("attach").addEventListener("click", () => $("files").click());
question.addEventListener("input", fit);
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("ask").requestSubmit();
});
question.addEventListener("paste", (event) => receive(event, event.clipboardData));
addEventListener("dragover", (event) => {
  if (!composer.hidden && event.dataTransfer?.types.includes("Files")) event.preventDefault();
});
addEventListener("drop", (event) => {
  if (!composer.hidden) receive(event, event.dataTransfer);
});

/** Take the files of something pasted or dropped. */
function receive(event, data) {
  if (!data?.files.length) return;
  event.preventDefault();
  if (models.sees) pictures.add([...data.files]);
  else pictures.complain("This model cannot see pictures.");
}

addEventListener("beforeunload", () => {
  leaving = true;
  setTimeout(() => {
    leaving = false; // the page is still there: it was a download, or a link to a mail program
  }, LEAVING_MILLISECONDS);
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open]")) return;
  if (running) running.abort();
  else stopEditing();
});
$("stop").addEventListener("click", () => {
  running?.abort();
  question.focus();
});
$("new").addEventListener("click", () => {
  leaveConversation();
  conversations.begin();
  showTurns();
  announce("New conversation.");
});
$("history").addEventListener("click", () => {
  showHistory(conversations, {
    go: async (id) => {
      leaveConversation();
      await conversations.open(id);
      showTurns();
      scrolling.toEnd();
    },
    remove: (id) => {
      if (conversations.current?.id === id) leaveConversation();
      forgetOnServer(conversations.remove(id));
      showTurns();
    },
  });
});
$("leave").addEventListener("click", () => {
  if (!conversations.listed.length) {
    forget();
    return;
  }
  const sentences = ["The key and all conversations of this tab are forgotten, here and on the server."];
  confirm("Forget the key and the conversations?", sentences, { action: "Forget them", submit: forget });
});

try {
  await conversations.load();
} catch {
  // What the tab kept is from another version of the page, or damaged.
}
showTurns();
scrolling.toEnd();
if (key.value) entered();
const askForKey = () => {
  if (!key.value && !given) key.ask({ focus: mayFocus });
};
if (framed) {
  embed((settings) => {
    mayFocus ||= settings.panel;
    given = Boolean(settings.key);
    if (given && settings.key !== key.value) key.enter(settings.key);
    else show();
    askForKey();
  });
  setTimeout(askForKey, SETTINGS_MILLISECONDS); // in a frame that nobody's script made
} else {
  askForKey();
}
