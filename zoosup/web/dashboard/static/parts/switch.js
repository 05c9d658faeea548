// A switch as it goes: who leaves and who comes, a lane each, and how far a load is.

import { byId, el, keyed, setAttr, setText, show } from "../dom.js";
import { span } from "../words.js";

const LEAVING = ["serves", "finishes", "stops", "memory is back"];
const COMING = ["waits", "loads", "ready"];

/** How far one who leaves is: by its phase, and by whether somebody waits for the memory that it held. */
function leavingStep(model, cooling) {
  if (!model) return 4;
  const steps = { starting: 0, ready: 0, unready: 0, draining: 1, stopping: 2, parking: 1, parked: 4 };
  return model.phase in steps ? steps[model.phase] : cooling ? 3 : 4;
}

function comingStep(model) {
  return { starting: 1, ready: 3, unready: 2 }[model?.phase] ?? 0;
}

function lanes(status) {
  const { models } = status;
  const { incoming, outgoing } = status.switch;
  const cooling = incoming.some((name) => models[name]?.reason === "CoolingDown");
  return [
    ...outgoing.map((name) => ({ name, way: "out", steps: LEAVING, at: leavingStep(models[name], cooling), model: models[name] })),
    ...incoming.map((name) => ({ name, way: "in", steps: COMING, at: comingStep(models[name]), model: models[name] })),
  ];
}

/** How far a loading model is; of one of which nothing is known yet, how long it has been loading. */
function load(model, now) {
  if (model?.phase !== "starting" || !model.started_at) return null;
  const taken = Math.max(0, now - model.started_at);
  const known = model.progress;
  if (known) return { value: known.share, text: `loading for ${span(taken)}: ${known.words}` };
  return { value: null, text: `loading for ${span(taken)}` };
}

export function makeLoad() {
  return el("div", { class: "load" }, el("progress", { max: 1, "aria-label": "Load" }), el("span", { class: "muted" }));
}

export function updateLoad(node, model, now) {
  const found = load(model, now);
  show(node, Boolean(found));
  if (!found) return;
  const bar = node.firstChild;
  setAttr(bar, "value", found.value === null ? null : found.value.toFixed(3));
  setText(node.lastChild, found.text);
}

function makeLane() {
  return el("li", { class: "lane" }, el("div", {}, el("strong"), el("ol", { class: "steps" })), makeLoad(), el("p", { class: "why" }));
}

function updateLane(node, lane, now) {
  setText(node.querySelector("strong"), lane.name);
  keyed(node.querySelector("ol"), lane.steps, (step) => step, (step) => el("li", { text: step }), (item, step) => {
    const place = lane.steps.indexOf(step);
    setAttr(item, "data-state", place < lane.at ? "done" : place === lane.at ? "now" : "later");
    setAttr(item, "aria-current", place === lane.at ? "step" : null);
  });
  updateLoad(node.querySelector(".load"), lane.way === "in" ? lane.model : null, now);
  const text = lane.model && lane.way === "in" && lane.model.phase !== "ready" ? lane.model.why : "";
  setText(node.querySelector(".why"), text);
}

export function drawSwitch(status, now) {
  const open = status.switch?.outcome === "open";
  show(byId("switch"), open);
  if (!open) return;
  const { incoming, outgoing } = status.switch;
  const names = (list) => list.join(", ") || "nothing";
  setText(byId("switch-names"), outgoing.length ? `${names(outgoing)} → ${names(incoming)}` : `${names(incoming)} is to come`);
  keyed(byId("switch-lanes"), lanes(status), (lane) => `${lane.way} ${lane.name}`, makeLane, (node, lane) => updateLane(node, lane, now));
}
