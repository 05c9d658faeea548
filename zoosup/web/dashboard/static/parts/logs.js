// One model's log, live: followed only while it is looked at, so that it costs nothing else.

import { byId, el, keyed, setText, show } from "../dom.js";
import { Refused, followLog } from "../source.js";

const KEPT = 2000;
const AGAIN = 2000;

let lines = [];
let following = null;
let name = "";

const wanted = () => byId("logs-filter").value.trim().toLowerCase();

function shown() {
  const text = wanted();
  return text ? lines.filter((line) => line.toLowerCase().includes(text)) : lines;
}

function draw() {
  const box = byId("logs-lines");
  const found = shown();
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
  setText(box, found.length ? `${found.join("\n")}\n` : "");
  if (atEnd) box.scrollTop = box.scrollHeight;
  const note = wanted() ? `${found.length} of ${lines.length} lines` : lines.length ? "" : "It has written nothing yet.";
  setText(byId("logs-note"), note);
  show(byId("logs-note"), Boolean(note));
}

function drawLater() {
  if (!draw.due) draw.due = setTimeout(() => { draw.due = 0; draw(); }, 100);
}

/** Follows the chosen model's log, again and again, until another is chosen or the page is out of sight. */
async function run(signal) {
  while (!signal.aborted) {
    try {
      await followLog(name, 300, signal, () => { lines = []; drawLater(); }, (more) => {
        lines.push(...more);
        if (lines.length > KEPT) lines.splice(0, lines.length - KEPT);
        drawLater();
      });
    } catch (error) {
      if (signal.aborted) return;
      setText(byId("logs-note"), error instanceof Refused ? error.message : "zoosup does not answer; the log goes on once it is back.");
      show(byId("logs-note"), true);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}

export function pauseLog() {
  following?.abort();
  following = null;
}

export function resumeLog() {
  if (!name || following) return;
  following = new AbortController();
  run(following.signal);
}

function choose(model) {
  pauseLog();
  name = model;
  lines = [];
  show(byId("logs-lines"), Boolean(name));
  setText(byId("logs-lines"), "");
  setText(byId("logs-note"), name ? "" : "Choose a model to follow its log.");
  show(byId("logs-note"), !name);
  resumeLog();
}

/** Follows this model's log and goes there. */
export function showLog(model) {
  byId("logs-model").value = model;
  choose(model);
  byId("logs").scrollIntoView({ block: "nearest" });
  byId("logs-lines").focus({ preventScroll: true });
}

export function drawLogChoice(status) {
  const names = ["", ...Object.keys(status.models).filter((each) => !status.models[each].external)];
  const make = (each) => el("option", { value: each, text: each || "of which model?" });
  const select = byId("logs-model");
  if (select.children[0] && select.children[0].dataset.key === undefined) select.replaceChildren();
  keyed(select, names, (each) => each, make, () => {});
}

export function startLogs() {
  byId("logs-model").addEventListener("change", (event) => choose(event.target.value));
  byId("logs-filter").addEventListener("input", draw);
}
