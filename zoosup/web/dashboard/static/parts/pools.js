// Memory: each pool as a bar whose parts add up to its total, and a second one where the budget is what binds.

import { byId, el, keyed, setAttr, setText, show } from "../dom.js";
import { makeHour, updateHour } from "./hour.js";
import { pair, size } from "../words.js";

const NAMED = 8;
const NARROW = 0.6; // a budget below this part of its pool has a bar of its own: in the pool's it would show little

/** A model's colour is its place in the file: the same in every pool and at every look. */
const colour = (names, name) => `hue${names.indexOf(name) < 0 ? 0 : names.indexOf(name) % 8}`;

/** A pool's figures in bytes: nothing is counted twice, and what is overbooked is cut at what is free. */
function shares(pool) {
  const holds = Object.entries(pool.holds || {}).map(([id, each]) => [`hold ${id}`, each]);
  const models = [...Object.entries(pool.models), ...holds].map(([name, each]) => ({
    name, held: Math.max(0, each.held), promised: Math.max(0, each.reserved - each.held),
  }));
  const promised = models.reduce((sum, each) => sum + each.promised, 0);
  const held = models.reduce((sum, each) => sum + each.held, 0);
  if (pool.free === null) return { models, held, promised, others: 0, reserve: 0, left: 0, room: null };
  const left = Math.max(0, pool.free - promised);
  const reserve = Math.min(left, pool.reserve);
  const room = Math.max(0, Math.min(left - reserve, pool.budget - pool.reserved));
  return { models, held, promised, others: Math.max(0, pool.foreign || 0), reserve, left: left - reserve, room };
}

const part = (key, kind, amount) => ({ key, kind, amount });

function modelParts(found, names) {
  return found.models.flatMap(({ name, held, promised }) => [
    part(`held ${name}`, `held ${colour(names, name)}`, held),
    part(`promised ${name}`, `promised ${colour(names, name)}`, promised),
  ]);
}

function poolParts(pool, found, names) {
  if (found.room === null) return [...modelParts(found, names), part("unknown", "unknown", pool.total - found.held)];
  return [...modelParts(found, names), part("others", "others", found.others), part("reserve", "reserve", found.reserve), part("free", "free", found.left)];
}

function drawBar(bar, parts, whole) {
  const shown = parts.filter((each) => each.amount > 0);
  const sum = Math.max(whole, shown.reduce((total, each) => total + each.amount, 0)) || 1;
  keyed(bar.querySelector(".parts"), shown, (each) => each.key, () => el("span"), (node, each) => {
    setAttr(node, "class", `part ${each.kind}`);
    setAttr(node, "title", `${each.key} ${size(each.amount)}`);
    node.style.width = `${(100 * each.amount) / sum}%`;
  });
}

function makeBar(kind) {
  const line = kind === "whole" ? el("i", { class: "budget-line" }) : null;
  return el("div", { class: `bar ${kind}`, role: "img" }, el("div", { class: "parts" }), line);
}

function makePool() {
  return el("article", { class: "pool" },
    el("h3", {}, el("span", { class: "pool-name" }), el("span", { class: "muted pool-total" })),
    el("p", { class: "pool-figures" }),
    makeBar("whole"),
    el("p", { class: "muted budget-label" }),
    makeBar("budgeted"),
    el("ul", { class: "legend" }),
    makeHour());
}

function legend(found, names) {
  const largest = [...found.models].sort((a, b) => b.held + b.promised - a.held - a.promised);
  const named = found.models.length > NAMED + 1 ? new Set(largest.slice(0, NAMED)) : new Set(largest);
  const items = found.models.filter((each) => named.has(each)).map((each) => ({
    key: each.name, kind: `held ${colour(names, each.name)}`,
    text: `${each.name} ${each.promised ? pair(each.held, each.held + each.promised) : size(each.held)}`,
  }));
  const rest = largest.filter((each) => !named.has(each));
  if (rest.length) items.push({ key: "+", kind: "more", text: `${rest.length} more models ${size(rest.reduce((sum, each) => sum + each.held + each.promised, 0))}` });
  if (found.promised) items.push({ key: "promised", kind: "promised", text: "promised, still to be taken" });
  if (found.room === null) return items;
  return [...items, { key: "others", kind: "others", text: `others ${size(found.others)}` },
    { key: "reserve", kind: "reserve", text: `reserve ${size(found.reserve)}` }, { key: "free", kind: "free", text: `free ${size(found.left)}` }];
}

function updatePool(node, pool, names, several, now) {
  const found = shares(pool);
  const binds = found.room !== null && pool.budget < pool.total - pool.reserve;
  const alone = binds && pool.budget < NARROW * pool.total;
  const title = several ? `${pool.name} on ${pool.node}` : pool.name;
  setText(node.querySelector(".pool-name"), title);
  setText(node.querySelector(".pool-total"), ` ${size(pool.total)}`);
  const room = found.room === null ? `can't be read (${pool.source}); nothing is started` : `room for ${size(found.room)} more`;
  const figures = `${room} · ${size(pool.reserved)} of the budget of ${size(pool.budget)} promised`;
  setText(node.querySelector(".pool-figures"), figures);
  setAttr(node, "data-tone", found.room === null ? "bad" : found.room ? "ok" : "warn");
  const items = legend(found, names);
  const [whole, budgeted] = node.querySelectorAll(".bar");
  setAttr(whole, "aria-label", `${title}: ${figures}. ${items.map((each) => each.text).join(", ")}`);
  drawBar(whole, poolParts(pool, found, names), pool.total);
  const line = whole.querySelector(".budget-line");
  show(line, binds);
  setAttr(line, "title", `the budget: ${size(pool.budget)}`);
  line.style.left = `${(100 * pool.budget) / (pool.total || 1)}%`;
  show(budgeted, alone);
  show(node.querySelector(".budget-label"), alone);
  if (alone) {
    setText(node.querySelector(".budget-label"), `Of the budget of ${size(pool.budget)}`);
    setAttr(budgeted, "aria-label", `of the budget of ${size(pool.budget)} models and holds have ${size(pool.reserved)}`);
    drawBar(budgeted, modelParts(found, names), pool.budget);
  }
  keyed(node.querySelector(".legend"), items, (each) => each.key, () => el("li", {}, el("i"), el("span")), (item, each) => {
    setAttr(item.firstChild, "class", `part ${each.kind}`);
    setText(item.lastChild, each.text);
  });
  updateHour(node.querySelector(".hour"), pool, title, now, alone);
}

export function drawPools(status, now) {
  const names = [...Object.keys(status.models), ...Object.keys(status.holds || {}).map((id) => `hold ${id}`)];
  const several = new Set(status.pools.map((pool) => pool.node)).size > 1;
  keyed(byId("pools-list"), status.pools, (pool) => `${pool.node} ${pool.id}`, makePool, (node, pool) => updatePool(node, pool, names, several, now));
  show(byId("pools"), status.pools.length > 0);
}
