// Memory over the last hour: what zoosup has kept of each pool, drawn as areas that stand on each other.

import { setAttr, setText, show } from "../dom.js";
import { ask } from "../source.js";
import { clock, size, span } from "../words.js";

const HOUR = 3600;
const LEAST = 300; // seconds that are shown, however short zoosup has run
const GAP = 60; // seconds without a point after which nothing is drawn: zoosup was away, or the host slept
const EVERY = 10000;
const KINDS = ["others", "held", "promised"];

const kept = new Map(); // by pool: [at, held, promised, others]
let askedAt = 0;

const svg = (tag, attributes = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

/** Asks for the points that are not known yet; at most each ten seconds, and after a failure from the beginning. */
export async function askForHour() {
  if (Date.now() - askedAt < EVERY) return;
  askedAt = Date.now();
  const last = Math.max(0, ...[...kept.values()].map((points) => points.at(-1)?.[0] || 0));
  const { data } = await ask(`/memory?since=${Math.floor(last)}`);
  for (const [pool, points] of Object.entries(data.pools)) {
    const fresh = points.filter(([at]) => at > last);
    kept.set(pool, [...(kept.get(pool) || []), ...fresh].filter(([at]) => at > (points.at(-1)?.[0] || last) - HOUR));
  }
}

export function forgetHour() {
  kept.clear();
  askedAt = 0;
}

export function makeHour() {
  const areas = KINDS.map((kind) => svg("path", { class: `area ${kind}` }));
  const node = document.createElement("figure");
  node.className = "hour";
  const text = document.createElement("figcaption");
  text.className = "muted";
  node.append(text, svg("svg", { viewBox: "0 0 720 64", preserveAspectRatio: "none", role: "img" }, ...areas, svg("path", { class: "budget-path" })), axis());
  return node;
}

function axis() {
  const node = document.createElement("div");
  node.className = "hour-axis muted";
  node.append(...["", "now"].map((text) => Object.assign(document.createElement("span"), { textContent: text })));
  return node;
}

/** Runs of points without a gap between them. */
function runs(points) {
  const found = [];
  for (const point of points) {
    if (!found.length || point[0] - found.at(-1).at(-1)[0] > GAP) found.push([]);
    found.at(-1).push(point);
  }
  return found;
}

/** One area: from the sum of those below it up to that with its own. */
function area(points, low, high, x, y) {
  return runs(points).map((run) => {
    const top = run.map((point) => `${x(point[0])} ${y(high(point))}`);
    const bottom = run.map((point) => `${x(point[0])} ${y(low(point))}`).reverse();
    return `M${top.join("L")}L${bottom.join("L")}Z`;
  }).join("");
}

/** Draws a pool; where a narrow budget binds (`alone`), what models have of it, else all of the pool. */
export function updateHour(node, pool, title, now, alone) {
  const points = (kept.get(pool.id) || []).filter(([at]) => at > now - HOUR);
  show(node, points.length > 1);
  if (points.length < 2) return;
  const others = (point) => (alone ? 0 : point[3] || 0);
  const levels = [() => 0, others, (point) => others(point) + point[1], (point) => others(point) + point[1] + point[2]];
  const whole = Math.max(alone ? pool.budget : pool.total, ...points.map(levels[3])) || 1;
  const shown = Math.min(HOUR, Math.max(LEAST, now - points[0][0]));
  const x = (at) => (720 * (1 - (now - at) / shown)).toFixed(1);
  const y = (bytes) => (63 - (62 * bytes) / whole).toFixed(1);
  const [picture] = node.getElementsByTagName("svg");
  KINDS.forEach((kind, at) => setAttr(picture.children[at], "d", area(points, levels[at], levels[at + 1], x, y)));
  const binds = pool.budget < pool.total - pool.reserve;
  setAttr(picture.lastChild, "d", alone || !binds ? "" : `M0 ${y(pool.budget)}H720`);
  const most = points.reduce((best, point) => (point[1] > best[1] ? point : best));
  const said = most[1] ? `models held at most ${size(most[1])}, at ${clock(most[0])}` : "no model held any memory";
  setText(node.firstChild, `${alone ? "Held" : "Others (grey), held"} (dark) and promised (light) over the last hour; ${said}.`);
  setText(node.lastChild.firstChild, `${span(shown)} ago`);
  setAttr(picture, "aria-label", `${title} over the last hour, ${alone ? "of the budget" : "of all"} (${size(alone ? pool.budget : pool.total)}): ${said}; now they hold ${size(points.at(-1)[1])}`);
}
