// What is known of one model: its actions, the sum of its memory, how its last run ended, and what a plan weighs.

import { act, post } from "../actions.js";
import { el, setAttr, show } from "../dom.js";
import { showLog } from "./logs.js";
import { condition, isBad, moment, size, span } from "../words.js";

const VERBS = {
  start: (model) => model.override !== "start" && ["stopped", "failed", "pending", "backoff", "parked"].includes(model.phase),
  stop: (model) => !["stopped", "failed"].includes(model.phase) || model.active,
  restart: (model) => !["stopped", "pending"].includes(model.phase),
  unload: (model) => model.on_demand && ["ready", "unready", "parked", "starting"].includes(model.phase),
  auto: (model) => Boolean(model.override),
};
const LABELS = { auto: "Leave to the file", start: "Start", stop: "Stop", restart: "Restart", unload: "Unload" };

export function makeDetail(name, id) {
  const node = el("div", { class: "detail", id, hidden: true });
  const verbs = Object.keys(VERBS).map((verb) =>
    el("button", { type: "button", "data-verb": verb, text: LABELS[verb], "aria-label": `${LABELS[verb]}: ${name}`, onclick: () => act(name, verb, node.model) }));
  node.append(
    el("div", { class: "acts" }, ...verbs,
      el("button", { type: "button", "data-verb": "log", text: "Follow its log", onclick: () => showLog(name) }),
      el("button", { type: "button", "data-verb": "plan", text: "Show the plan's sum", onclick: () => drawSums(node, name) })),
    el("div", { class: "sums", role: "status" }),
    el("div", { class: "facts" }));
  return node;
}

export function drawDetail(node, name, model, shown, now) {
  show(node, shown);
  node.model = model;
  if (!shown) return;
  for (const [verb, fits] of Object.entries(VERBS)) show(node.querySelector(`[data-verb=${verb}]`), !model.external && fits(model));
  show(node.querySelector("[data-verb=log]"), !model.external);
  show(node.querySelector("[data-verb=plan]"), !model.external && ["pending", "failed", "stopped", "backoff"].includes(model.phase));
  const text = JSON.stringify(model, (key, value) => (["held", "last_used", "progress"].includes(key) ? undefined : value));
  if (node.dataset.shown === text) return;
  node.dataset.shown = text;
  node.querySelector(".facts").replaceChildren(...facts(name, model, now));
}

function facts(name, model, now) {
  return [
    conditions(model, now), memory(name, model), lastRun(model, now),
    list([
      ["Code of the reason", model.reason],
      ["Also answers to", model.aliases.join(", ")],
      ["Variants", model.variants.join(", ")],
      ["Names there", Object.entries(model.models || {}).map(([here, there]) => (here === there ? here : `${here} (there ${there})`)).join(", ")],
      ["Address", model.url],
      ["Process", model.pid && `${model.pid}${model.gpus?.length ? ` on GPU ${model.gpus.join(", ")}` : ""}`],
      ["Started", model.started_at && moment(model.started_at)],
      ["Weights in memory", warm(model)],
      ["Last load took", model.load_time && span(model.load_time)],
      ["Last used", model.last_used && moment(model.last_used)],
    ]),
  ].filter(Boolean);
}

/** What of its weights waits in memory for its start. */
function warm({ warm: known }) {
  if (!known) return "";
  return `${size(known.there)}${known.size === null ? "" : ` of ${size(known.size)}`}${known.reading ? ", being read ahead" : ""}`;
}

function list(pairs) {
  const known = pairs.filter(([, value]) => value);
  return known.length ? el("dl", {}, ...known.flatMap(([word, value]) => [el("dt", { text: word }), el("dd", { text: value })])) : null;
}

function conditions(model, now) {
  const more = model.conditions.filter((each) => each.message !== model.message || each.reason !== model.reason);
  if (!more.length) return null;
  return el("ul", { class: "conditions" }, ...more.map((each) =>
    el("li", { "data-tone": isBad(each) ? "warn" : "ok", text: condition(each, now) })));
}

function memory(name, model) {
  const pools = Object.entries(model.memory || {});
  if (!pools.length) return null;
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `What ${name} needs` }, el("table", {}, el("caption", { text: "What it needs" }),
    el("thead", {}, el("tr", {}, ...["Pool", "Need", "From", "Reserved", "Peak", "Made of"].map((text) => el("th", { scope: "col", text })))),
    el("tbody", {}, ...pools.map(([pool, each]) => el("tr", {}, el("th", { scope: "row", text: pool }),
      ...[size(each.need), each.source, size(each.reserved), size(each.peak)].map((text) => el("td", { text })),
      el("td", {}, ...made(each)))))));
}

function made(each) {
  const terms = (each.terms || []).map((term) => el("div", { text: `${size(term.amount)} ${term.name}: ${term.how}` }));
  return each.note ? [...terms, el("div", { text: each.note })] : terms;
}

function lastRun(model, now) {
  const end = model.last_exit;
  if (!end) return null;
  return el("div", {}, el("p", {}, el("b", { text: "Last end: " }), `${end.words}${end.at ? ` ${span(now - end.at)} ago` : ""}${end.message ? `: ${end.message}` : ""}`),
    end.log?.length ? el("pre", { tabindex: "0", "aria-label": "The last lines before that end", text: end.log.join("\n") }) : null);
}

/** What zoosup weighs for it just now, from the plan, which is asked for with the token. */
async function drawSums(node, name) {
  const plan = await post("/plan");
  if (!plan) return;
  const box = node.querySelector(".sums");
  const verdict = plan.models[name];
  if (!verdict) {
    box.replaceChildren(el("p", { text: "The plan has nothing to do for it." }));
    return;
  }
  const why = [verdict.words, verdict.message].filter(Boolean).join(": ");
  // A refusal's message has its sum: what would be short though everybody left who may. Not another one beside it.
  const sums = verdict.verdict === "refused" && verdict.message ? [] : verdict.sums;
  box.replaceChildren(el("p", {}, el("b", { text: `The plan: ${verdict.verdict}` }), why ? `. ${why}` : ""), ...sums.map(sum));
  setAttr(box, "data-tone", verdict.verdict === "admitted" ? "ok" : "warn");
}

function sum(each) {
  const promised = Object.entries(each.reserved);
  const by = promised.length ? ` (${promised.map(([who, amount]) => `${who} ${size(amount)}`).join(", ")})` : "";
  const total = promised.reduce((all, [, amount]) => all + amount, 0);
  const back = each.credit ? ` + comes back ${size(each.credit)}` : "";
  return el("div", { class: "sum" },
    el("b", { text: `${each.pool} needs ${size(each.need)}: ${each.short ? `short of ${size(each.short)}` : "enough"}` }),
    el("div", { text: `budget ${size(each.budget)} - promised ${size(total)}${by}` }),
    el("div", { text: `free ${size(each.available)} - reserve ${size(each.reserve)} - still loading ${size(each.promised)}${back}; others use ${size(each.foreign)}` }));
}

