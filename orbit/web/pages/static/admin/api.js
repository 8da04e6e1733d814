// The administration API, asked with the cookie of a session. When that has ended, one is begun and the request repeated.

import { Failure, request, routed } from "../common.js";
import { askToSignIn } from "./sign_in.js";

let csrf = null; // the session's token; null while there is no session
let signingIn = null; // the promise of a sign-in under way, shared by all requests that wait for it

/** Take up the session of the cookie there may be from before; false if there is none. */
export async function resume() {
  try {
    csrf = (await (await request("/admin/session")).json()).csrf_token;
  } catch (failure) {
    if (failure.status !== 401) throw failure;
    return false;
  }
  return true;
}

/** Ask for the token until there is a session. */
export function signIn(sentence = "") {
  signingIn ??= askToSignIn(sentence, begin).finally(() => {
    signingIn = null;
  });
  return signingIn;
}

export async function signOut() {
  if (csrf) await request("/admin/session", { method: "DELETE", headers: csrfHeader() });
  csrf = null;
}

/** Ask for something as JSON. Throws a Failure with a sentence. */
export async function call(method, path, body = undefined) {
  return (await asked(method, path, body)).json();
}

/** All records of a listing that comes in pages. */
export async function all(path) {
  const records = [];
  for (let next = `${path}?limit=1000`; next; ) {
    const response = await asked("GET", next);
    records.push(...(await response.json()));
    next = /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];
  }
  return records;
}

/** A path of names that may hold anything. */
export function path(...names) {
  return `/admin/${names.map(encodeURIComponent).join("/")}`;
}

function asked(method, where, body) {
  return inSession(() => {
    const headers = method === "GET" ? {} : csrfHeader();
    if (body !== undefined) headers["Content-Type"] = "application/json";
    return request(where, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  });
}

/** Do something, again if it failed only for the session: that has ended, or another tab has begun a new one. */
async function inSession(work) {
  for (let renewed = false; ; ) {
    try {
      return await work();
    } catch (failure) {
      if (failure.status === 401) {
        await signIn("Your session has ended. Sign in again to go on.");
      } else if (failure.code === "wrong_csrf_token" && !renewed) {
        renewed = true;
        await resume();
      } else {
        throw failure;
      }
    }
  }
}

async function begin(token) {
  // What no header can carry is no token; fetch() would only say that the request failed.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Failure("This is not the admin token.", { status: 401 });
  const response = await request("/admin/session", {
    method: "POST",
    headers: { Authorization: `Bearer ${token}` },
  });
  csrf = (await response.json()).csrf_token;
}

function csrfHeader() {
  return { "X-CSRF-Token": csrf ?? "" };
}

/**
 * Send files and hear how far it is: `onSent(share)` while they are on their way, then `onTold(line)` for each line of
 * the answer. fetch() cannot tell the first, so this is an XMLHttpRequest. `signal` ends it.
 */
export function upload(where, form, { onSent, onTold, signal }) {
  return inSession(() => send(where, form, { onSent, onTold, signal }));
}

function send(where, form, { onSent, onTold, signal }) {
  return new Promise((done, failed) => {
    const sending = new XMLHttpRequest();
    let read = 0;
    const tell = () => {
      if (sending.status !== 200) return;
      const end = sending.responseText.lastIndexOf("\n");
      for (const line of sending.responseText.slice(read, end).split("\n")) if (line) onTold(JSON.parse(line));
      read = Math.max(read, end);
    };
    sending.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onSent(event.loaded / event.total);
    });
    sending.addEventListener("progress", tell);
    sending.addEventListener("load", () => {
      tell();
      if (sending.status === 200) done();
      else failed(problemOf(sending));
    });
    const broken = "The connection was lost before the server was done. Look at what it has, then send the rest again.";
    sending.addEventListener("error", () => failed(new Failure(broken)));
    sending.addEventListener("abort", () => failed(new DOMException("stopped", "AbortError")));
    signal.addEventListener("abort", () => sending.abort());
    sending.open("POST", routed(where));
    for (const [name, value] of Object.entries(csrfHeader())) sending.setRequestHeader(name, value);
    sending.send(form);
  });
}

function problemOf(sending) {
  let problem = {};
  try {
    problem = JSON.parse(sending.responseText);
  } catch {
    // A proxy's page: the status has to do.
  }
  const { status } = sending;
  return new Failure(problem.detail ?? `The server answered with status ${status}.`, { status, code: problem.code ?? "" });
}
