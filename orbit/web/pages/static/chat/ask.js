// Asking: POST /chat, and the frames of the answer as they come.

import { Failure, request, sentence } from "../common.js";

const CUT_OFF = "The connection to the server was lost.";

/**
 * Ask `body`. Hands what there is so far, { text, thoughts, calls }, to `onMore` each time there is more, and returns the last
 * frame: sources, session, metadata. Throws a Failure, or an AbortError if `signal` stopped it; closing the connection
 * stops the server's work too.
 */
export async function ask({ key, body, cumulative, signal }, onMore) {
  const response = await request("/chat", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-API-Key": key },
    body: JSON.stringify({ ...body, stream: true, thoughts: true }),
    signal,
  });
  let text = "";
  let thoughts = "";
  const calls = new Map();
  let called = 0; // how many calls the thoughts so far know of
  for await (const frame of frames(response.body)) {
    if (frame.error) throw new Failure(sentence(frame.error.message), { status: 200, code: frame.error.code });
    if (frame.thought) {
      if (calls.size > called && thoughts) thoughts += "\n\n"; // what it thinks after a tool is a paragraph of its own
      called = calls.size;
      thoughts += frame.thought;
    }
    if (frame.tool) calls.set(frame.tool.id, frame.tool);
    text = cumulative ? frame.text : text + frame.text;
    onMore({ text, thoughts, calls: [...calls.values()] });
    if (frame.done) return frame;
  }
  throw new Failure(CUT_OFF, { status: 200 });
}

/** The JSON objects of a stream of server-sent events. */
async function* frames(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await readFrom(reader);
    if (done) return;
    const events = (held + value).split("\n\n");
    held = events.pop();
    for (const event of events) {
      if (event.startsWith("data:")) yield JSON.parse(event.slice("data:".length)); // others are comments: pings
    }
  }
}

async function readFrom(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(CUT_OFF, { status: 200 });
  }
}
