// What the page says of an answer, beside the answer.

const ASKED_WRONGLY = [400, 413]; // what only another question can mend
const STREAMING = 200; // an error after the answer had begun

export const STOPPED = "You stopped this answer.";

/** A remark under a complete answer; empty if there is nothing to remark. `end` is the last frame. */
export function remarkOn({ finish_reason: reason, metadata }, { answer, calls }) {
  if (metadata.blocked) return "This was stopped by the rules of this server.";
  if (reason === "length") return "The answer reached its longest and may not be complete.";
  if (metadata.without_documents) return "The documents could not be searched; this is what the model says by itself.";
  return answer.trim() || calls.length ? "" : "The model gave no answer.";
}

/** What to know of the conversation before the next question; empty if all is as one would think. */
export function noteOn({ session_id: session, metadata }) {
  return metadata.remembered === false && !session ? "This server does not remember earlier questions. " : "";
}

/** An error, in sentences for the one who asked. */
export function sentenceOn(error) {
  const { status, code, retryAfter: seconds } = error;
  if (status === STREAMING) return `The answer is not complete. ${error.message}`;
  if (status === 401) return "The server does not accept your key any more. Enter another to go on.";
  if (status !== 429 || code === "budget_exceeded") return error.message;
  const wait = seconds
    ? `Ask again in ${seconds} ${seconds === 1 ? "second" : "seconds"}.`
    : "Ask again a little later.";
  return `Too many questions were asked with this key. ${wait}`;
}

/** What can be done about an error: ask "again", "edit" the question, or "signIn" with another key. */
export function wayOn({ status }) {
  if (status === 401) return "signIn";
  return ASKED_WRONGLY.includes(status) ? "edit" : "again";
}
