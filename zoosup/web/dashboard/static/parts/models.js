// The models, a row each: phase, why, memory, requests. A row opens to its details, which stand in `detail`.

import { drawDetail, makeDetail } from "./detail.js";
import { byId, el, keyed, setAttr, setText, show } from "../dom.js";
import { makeLoad, updateLoad } from "./switch.js";
import { moment, pair, requests, role, size, span, tone } from "../words.js";

const CROWD = 10;
const RECENT = 600; // seconds for which a crash is told of a model that runs again
const URGENCY = ["failed", "backoff", "unready", "unreachable", "pending", "starting", "parking", "draining", "stopping", "ready", "reachable", "parked", "stopped"];

const open = new Set();

function memoryText(model) {
  const pools = Object.entries(model.memory || {});
  return pools.map(([pool, each]) => {
    const lead = pools.length > 1 || pool !== "ram" ? `${pool} ` : "";
    const amount = each.reserved ? pair(each.held, each.need) : size(each.need);
    return `${lead}${amount} (${each.source})`;
  }).join("\n");
}

function use(model, now) {
  const asked = requests(model);
  if (asked) return asked;
  return model.last_used ? `last used ${span(now - model.last_used)} ago` : "";
}

function since(model, now) {
  if (model.phase === "backoff" && model.backoff_until) return `again in ${span(model.backoff_until - now)}`;
  if (model.ready_at && ["ready", "unready", "parked"].includes(model.phase)) return `for ${span(now - model.ready_at)}`;
  return "";
}

function about(model, now) {
  const end = model.last_exit;
  const recent = end && (["backoff", "failed"].includes(model.phase) || (now - end.at < RECENT && end.message && model.restarts));
  return [
    model.description,
    model.restarts && `restarted ${model.restarts === 1 ? "once" : `${model.restarts} times`}`,
    recent && `last run: ${end.words} ${span(now - end.at)} ago`,
  ].filter(Boolean).join(" · ");
}

function makeRow([name]) {
  const id = `model-${[...name].map((c) => c.codePointAt(0).toString(36)).join("-")}`;
  const button = el("button", { type: "button", class: "model-name", "aria-expanded": "false", "aria-controls": id, onclick: () => toggle(name) });
  const row = el("li", { class: "model" },
    el("div", { class: "model-head" },
      el("div", { class: "title" }, el("h3", {}, button), el("span", { class: "roles" })),
      el("span", { class: "phase" }, el("i", { "aria-hidden": "true" }), el("b"), el("span", { class: "muted since" })),
      el("span", { class: "memory" }),
      el("span", { class: "use muted" })),
    el("p", { class: "about muted" }),
    makeLoad(),
    el("p", { class: "why" }),
    makeDetail(name, id));
  button.append(el("span", { class: "chevron", "aria-hidden": "true", text: "›" }), el("span", { class: "label" }));
  return row;
}

let redraw = () => {};

export function onToggle(callback) {
  redraw = callback;
}

function toggle(name, shown = !open.has(name)) {
  if (shown) open.add(name);
  else open.delete(name);
  redraw();
}

/** Opens a model's row and goes there; what a link of the headline does. */
export function reveal(name) {
  byId("models-filter").value = "";
  toggle(name, true);
  const row = [...document.querySelectorAll("li.model")].find((each) => each.dataset.key === name);
  if (!row) return;
  const rest = row.closest("details");
  if (rest) rest.open = true;
  row.querySelector("button").focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function updateRow(row, [name, model], status, now) {
  setAttr(row, "data-tone", tone(model));
  setText(row.querySelector(".label"), name);
  const button = row.querySelector(".model-name");
  setAttr(button, "aria-expanded", open.has(name));
  setText(row.querySelector(".phase b"), model.phase);
  setText(row.querySelector(".since"), since(model, now));
  setText(row.querySelector(".memory"), memoryText(model) || (model.external ? model.url : ""));
  setText(row.querySelector(".use"), use(model, now));
  setAttr(row.querySelector(".use"), "title", model.last_used ? moment(model.last_used) : null);
  keyed(row.querySelector(".roles"), role(model), (word) => word, (word) => el("span", { class: "chip", text: word }), () => {});
  setText(row.querySelector(".about"), about(model, now));
  updateLoad(row.querySelector(".load"), model, now);
  const text = model.why;
  const reason = row.querySelector(".why");
  setText(reason, text);
  show(reason, Boolean(text));
  drawDetail(row.querySelector(".detail"), name, model, open.has(name), now);
}

function rank([, model]) {
  return model.refused ? 0 : URGENCY.indexOf(model.phase);
}

/** Those that get a row, and those that are simply off, where there is a crowd; those who need somebody first. */
function sorted(models) {
  const wanted = byId("models-filter").value.trim().toLowerCase();
  const all = Object.entries(models);
  if (wanted) {
    const texts = ([name, model]) => [name, model.phase, model.description, ...(model.aliases || []), ...(model.variants || [])];
    return [all.filter((each) => texts(each).join("\n").toLowerCase().includes(wanted)), []];
  }
  if (all.length <= CROWD) return [all, []];
  const off = ([, model]) => model.phase === "stopped" && !model.why;
  return [all.filter((each) => !off(each)).sort((a, b) => rank(a) - rank(b)), all.filter(off)];
}

export function drawModels(status, now) {
  const [rows, resting] = sorted(status.models);
  const count = Object.keys(status.models).length;
  setText(byId("models-count"), String(count));
  show(byId("models-search"), count > CROWD);
  const update = (row, each) => updateRow(row, each, status, now);
  keyed(byId("models-list"), rows, ([name]) => name, makeRow, update);
  show(byId("models-resting"), resting.length > 0);
  setText(byId("models-resting-title"), `${resting.length} stopped`);
  const shown = byId("models-resting").open || resting.some(([name]) => open.has(name)) ? resting : [];
  keyed(byId("models-resting-list"), shown, ([name]) => name, makeRow, update);
  show(byId("models-none"), !rows.length && !resting.length);
  setText(byId("models-none"), count ? "No model is called so." : "zoo.yaml has no models.");
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // somebody wrote the address by hand
  }
}

export function startModels() {
  byId("models-filter").addEventListener("input", () => redraw());
  byId("models-resting").addEventListener("toggle", () => redraw());
  const follow = () => {
    const found = /^#model=(.+)$/.exec(location.hash);
    const name = found && decoded(found[1]);
    if (name) reveal(name);
  };
  window.addEventListener("hashchange", follow);
  return follow;
}
