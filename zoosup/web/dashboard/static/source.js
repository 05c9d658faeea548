// All that speaks to the status server. Holds the token, for this tab alone, and hands out what is read as data. How an
// answer is read bit by bit, and what a refusal says, is the gateway's way too.

const KEY = "zoosup-token";

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** A refusal of the server's: `status` for programs, the message in its own words. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function headers(more = {}) {
  const shown = token.get();
  return shown ? { ...more, Authorization: `Bearer ${shown}` } : more;
}

/** An answer as JSON; Refused where the server says no, another error where it is away. */
export async function ask(path, { method = "GET", signal = AbortSignal.timeout(10000) } = {}) {
  const answer = await fetch(path, { method, headers: headers(), signal, cache: "no-store" });
  if (!answer.ok) throw await refusal(answer);
  const text = await answer.text();
  return { data: JSON.parse(text), bytes: text.length };
}

/** What an answer says that is a no: in its own words, or by its status. */
export async function refusal(answer) {
  const text = await answer.text();
  try {
    return new Refused(answer.status, JSON.parse(text).error.message);
  } catch {
    return new Refused(answer.status, `${answer.status} ${answer.statusText}`);
  }
}

/** Reads an answer as it comes, until it ends; `onParts` gets the whole parts between two marks, in lists. */
export async function readParts(answer, mark, onParts) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split(mark);
    rest = parts.pop();
    if (parts.length) onParts(parts);
  }
}

export const modelPath = (name) => name.split("/").map(encodeURIComponent).join("/");

/** Reads an answer without an end, until it ends all the same, breaks or is aborted. */
async function follow(path, signal, more, onOpen, mark, onParts) {
  const answer = await fetch(path, { headers: headers(more), signal, cache: "no-store" });
  if (!answer.ok) throw await refusal(answer);
  onOpen();
  return readParts(answer, mark, onParts);
}

/** The newest events, oldest first, then each as it happens, in lists. */
export function followEvents(limit, signal, onOpen, onEvents) {
  return follow(`/events?limit=${limit}`, signal, { Accept: "text/event-stream" }, onOpen, "\n\n", (frames) => {
    const data = frames.flatMap((frame) => frame.split("\n").filter((line) => line.startsWith("data: ")));
    if (data.length) onEvents(data.map((line) => JSON.parse(line.slice(6))));
  });
}

/** The last lines of a model's log, then those to come, in lists of whole lines. */
export function followLog(name, lines, signal, onOpen, onLines) {
  return follow(`/logs/${modelPath(name)}?follow=1&lines=${lines}`, signal, {}, onOpen, "\n", onLines);
}
