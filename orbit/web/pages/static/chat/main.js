// The chat page: what the parts do together.

import { announce, h, icon, routed, themeButton } from "../common.js";
import { ask } from "./ask.js";
import { Conversation } from "./conversation.js";
import { embed, framed } from "./embedded.js";
import { Key } from "./key.js";
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

const conversation = new Conversation();
const key = new Key(show);
const scrolling = new Scrolling($("latest"), $("conversation"));
const note = $("composer-note").textContent;
let running = null; // the AbortController of the answer under way
let leaving = false;
let given = false; // whether the key is the embedding page's
let mayFocus = !framed; // a page that shows the chat beside other things keeps the focus

$("send").append(icon("arrowUp"));
$("stop").append(icon("stop"));
$("new").prepend(icon("pencil"));
$("leave").append(icon("leave"));
$("latest").append(icon("arrowDown"));
themeButton($("theme"));
for (const text of JSON.parse(document.body.dataset.questions)) {
  const offer = h("button", { type: "button", class: "button", dir: "auto", onclick: () => start(text) }, text);
  $("suggestions").append(h("li", {}, offer));
}

/** Show what there is to show: the form for the key, the welcome, or the conversation. */
function show() {
  const empty = conversation.turns.length === 0;
  const known = Boolean(key.value);
  $("welcome").hidden = !known || !empty;
  $("conversation").hidden = !known || empty;
  $("new").hidden = !known || empty;
  $("leave").hidden = !known || given;
  composer.hidden = !known;
  if (!known) return;
  fit();
  if (hasKeyboard && mayFocus) question.focus();
}

/** Make the box as high as the text in it, and the button usable if there is some. */
function fit() {
  question.style.height = "auto";
  question.style.height = `${question.scrollHeight}px`;
  $("send").disabled = !question.value.trim();
}

function setRunning(controller) {
  running = controller;
  $("send").hidden = Boolean(controller);
  $("stop").hidden = !controller;
}

async function start(text) {
  if (running) return;
  mayFocus = true;
  const turn = conversation.add(text);
  const view = addView(turn);
  show();
  scrolling.begin();
  announce("Answering.");
  const controller = new AbortController();
  setRunning(controller);
  const grow = (answer) => {
    turn.answer = answer;
    view.grow();
    conversation.saveSoon();
  };
  try {
    const asked = { key: key.value, message: text, session: conversation.session, cumulative };
    const end = await ask({ ...asked, signal: controller.signal }, grow);
    ended(turn, end);
  } catch (error) {
    // Leaving the page cuts the stream a moment before the script ends; that is no failure to be kept.
    if (leaving) await new Promise((done) => setTimeout(done, LEAVING_MILLISECONDS));
    broken(turn, error);
  }
  if (running === controller) setRunning(null);
  if (!conversation.turns.includes(turn)) return; // a new conversation has begun meanwhile
  view.finish();
  scrolling.end();
  conversation.save();
}

function ended(turn, end) {
  turn.state = "done";
  turn.sources = end.sources;
  turn.remark = remarkOn(end, turn.answer);
  if (conversation.turns.includes(turn)) conversation.session = end.session_id ?? null;
  $("composer-note").textContent = noteOn(end) + note;
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
    retryAt: error.retryAfter ? Date.now() + 1000 * error.retryAfter : null,
  };
}

function addView(turn) {
  const view = new TurnView(turn, { again, edit, signIn });
  $("conversation").append(view.element);
  return view;
}

function again(turn) {
  if (running) return;
  remove(turn);
  start(turn.question);
}

function edit(turn) {
  if (running) return;
  remove(turn);
  question.value = turn.question;
  show();
  question.focus();
}

function remove(turn) {
  conversation.remove(turn);
  $("conversation").replaceChildren();
  conversation.turns.forEach(addView);
}

function signIn() {
  key.forget();
  conversation.session = null; // a session belongs to its key
  show();
  key.ask();
}

/** Begin a new conversation, and have the server forget the one there was. */
function renew() {
  running?.abort();
  if (conversation.session) {
    const path = `/chat/sessions/${encodeURIComponent(conversation.session)}`;
    fetch(routed(path), { method: "DELETE", headers: { "X-API-Key": key.value }, keepalive: true }).catch(() => {
      // The server forgets it by itself after a time.
    });
  }
  conversation.clear();
  $("conversation").replaceChildren();
  show();
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = question.value.trim();
  if (!text || running) return;
  question.value = "";
  start(text);
});
question.addEventListener("input", fit);
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("ask").requestSubmit();
});
addEventListener("beforeunload", () => {
  leaving = true;
  setTimeout(() => {
    leaving = false; // the page is still there: it was a download, or a link to a mail program
  }, LEAVING_MILLISECONDS);
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
});
$("stop").addEventListener("click", () => {
  running?.abort();
  question.focus();
});
$("new").addEventListener("click", () => {
  renew();
  announce("New conversation.");
});
$("leave").addEventListener("click", () => {
  renew();
  key.forget();
  show();
  key.ask();
});

conversation.turns.forEach(addView);
show();
scrolling.toEnd();
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
