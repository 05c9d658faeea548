// Does it answer? One request to one model through the gateway, streamed, with its timing. Only on a person's act.

import { byId, el, keyed, setText, show } from "../dom.js";
import { readParts, refusal } from "../source.js";

let asking = null;
let gateway = "";

/** Where this browser reaches the gateway: one that listens on all addresses is where this page is. */
function origin(address) {
  const at = address.lastIndexOf(":");
  const host = address.slice(0, at);
  const everywhere = ["0.0.0.0", "[::]", "::", ""].includes(host);
  return `http://${everywhere ? location.hostname : host}:${address.slice(at + 1)}`;
}

const body = (stream) => JSON.stringify({ model: byId("chat-model").value, stream, messages: [{ role: "user", content: byId("chat-text").value }] });

function drawCurl() {
  const quoted = body(false).replaceAll("'", "'\\''");
  const key = byId("chat-key-label").hidden ? "" : "-H 'authorization: Bearer …' ";
  setText(byId("chat-curl"), `curl ${gateway}/v1/chat/completions ${key}-H 'content-type: application/json' -d '${quoted}'`);
}

export function drawChat(status) {
  show(byId("chat"), Boolean(status.gateway));
  if (!status.gateway) return;
  gateway = origin(status.gateway);
  const answers = ([, model]) => model.external || model.active || model.on_demand || model.phase === "ready";
  const names = Object.entries(status.models).filter(answers).flatMap(([name, model]) => [name, ...model.variants, ...Object.keys(model.models || {})]);
  keyed(byId("chat-model"), [...new Set(names)], (name) => name, (name) => el("option", { value: name, text: name }), () => {});
  drawCurl();
}

function say(text) {
  setText(byId("chat-note"), text);
}

/** Reads the answer's server-sent events; calls `onText` with each piece of text; the figures it ends with, if any. */
async function read(answer, onText) {
  let usage = null;
  await readParts(answer, "\n", (lines) => {
    for (const line of lines.filter((each) => each.startsWith("data: {"))) {
      const piece = JSON.parse(line.slice(6));
      if (piece.error) throw new Error(piece.error.message);
      usage = piece.usage || usage;
      const delta = piece.choices?.[0]?.delta || {};
      onText(delta.content || delta.reasoning_content || "");
    }
  });
  return usage;
}

async function request(signal, onText) {
  const key = byId("chat-key").value;
  const headers = { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const answer = await fetch(`${gateway}/v1/chat/completions`, { method: "POST", headers, body: body(true), signal });
  if (answer.status === 401) show(byId("chat-key-label"), true);
  if (!answer.ok) throw await refusal(answer);
  return read(answer, onText);
}

const seconds = (from) => `${((performance.now() - from) / 1000).toFixed(2)} s`;

async function ask() {
  const from = performance.now();
  let first = "";
  asking = new AbortController();
  show(byId("chat-cancel"), true);
  byId("chat-send").disabled = true;
  setText(byId("chat-answer"), "");
  say("Asking …");
  try {
    const usage = await request(asking.signal, (text) => {
      if (text && !first) first = seconds(from);
      byId("chat-answer").append(text);
      show(byId("chat-answer"), Boolean(first));
    });
    const tokens = usage?.completion_tokens ? `, ${usage.completion_tokens} tokens` : "";
    say(first ? `First words after ${first}, all after ${seconds(from)}${tokens}.` : `It answered without words, after ${seconds(from)}.`);
  } catch (error) {
    if (asking.signal.aborted) say(`Cancelled after ${seconds(from)}.`);
    else if (error instanceof TypeError) say(`This page can't reach the gateway. Either it is away, or gateway.cors does not list ${location.origin}. The line below asks the same from a shell.`);
    else say(error.message);
  }
  show(byId("chat-cancel"), false);
  byId("chat-send").disabled = false;
}

export function startChat() {
  byId("chat-form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  byId("chat-cancel").addEventListener("click", () => {
    asking?.abort();
    byId("chat-send").focus();
  });
  byId("chat-form").addEventListener("input", drawCurl);
}
