// What happened: the events, the newest first, each in the words that zoosup wrote it down in.

import { byId, el } from "../dom.js";
import { TONES, clock, moment } from "../words.js";

const SHOWN = 150;

export const events = { list: [] };
const KEPT = 2000;

function words(event) {
  if (event.type !== "Phase") return event.words;
  return event.data?.from ? `${event.data.from} → ${event.data.to}` : event.reason;
}

function tone(event) {
  if (event.type === "Phase") return TONES[event.data?.to] || "off";
  return /Error|Fail|Crash|Refus|Reject|Invalid|Lost|Degraded/.test(`${event.type} ${event.reason}`) ? "bad" : "off";
}

const textOf = (event) => [event.model, words(event), event.message].filter(Boolean).join(" ");

function item(event) {
  return el("li", { "data-tone": tone(event) },
    el("time", { text: clock(event.at), title: moment(event.at), datetime: new Date(event.at * 1000).toISOString() }),
    el("div", {}, event.model ? el("b", { text: event.model }) : null, ` ${words(event)}`,
      event.message ? el("span", { class: "muted said", text: event.message }) : null));
}

function found(list) {
  const wanted = byId("events-filter").value.trim().toLowerCase();
  return wanted ? list.filter((event) => textOf(event).toLowerCase().includes(wanted)) : list;
}

function drawAll() {
  byId("events-list").replaceChildren(...found(events.list).slice(-SHOWN).reverse().map(item));
}

/** A connection begins: what was known may be of a zoosup that counted from 1. */
export function resetEvents() {
  events.list = [];
}

export function addEvents(more, fresh) {
  events.list.push(...more);
  if (events.list.length > KEPT) events.list.splice(0, events.list.length - KEPT);
  if (fresh || more.length > SHOWN) return drawAll();
  const list = byId("events-list");
  list.prepend(...found(more).reverse().map(item));
  while (list.children.length > SHOWN) list.lastElementChild.remove();
}

export function startEvents() {
  byId("events-filter").addEventListener("input", drawAll);
}
