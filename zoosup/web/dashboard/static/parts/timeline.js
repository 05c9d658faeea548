// The events of phases as a time line: a lane for each model that changed, the phase's colour for as long as it held.

import { byId, el, keyed, setAttr, setText, show } from "../dom.js";
import { events } from "./events.js";
import { TONES, clock, span } from "../words.js";

const LANES = 12;

/** By model, the pieces of time between its changes, from `from` to `now`; those who changed last come first. */
function lanes(list, status, from, now) {
  const byModel = new Map();
  for (const event of list) {
    if (event.type !== "Phase" || !event.model) continue;
    const lane = byModel.get(event.model) || [];
    byModel.set(event.model, lane);
    if (!lane.length && event.data?.from) lane.push({ phase: event.data.from, at: list[0].at });
    lane.push({ phase: event.data?.to || event.reason, at: event.at });
  }
  const names = Object.keys(status.models);
  return [...byModel].map(([name, changes]) => ({ name, changes, last: changes.at(-1).at, pieces: pieces(changes, from, now) }))
    .filter((lane) => lane.last >= from).sort((a, b) => b.last - a.last).slice(0, LANES)
    .sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
}

function pieces(changes, from, now) {
  return changes.map((change, at) => ({ phase: change.phase, at: Math.max(change.at, from), end: changes[at + 1]?.at ?? now }))
    .filter((piece) => piece.end > from && piece.phase !== "stopped");
}

function makeLane() {
  return el("div", { class: "time-lane" }, el("span", { class: "time-name" }), el("div", { class: "time-track", role: "img" }));
}

function updateLane(node, lane, from, now) {
  setText(node.firstChild, lane.name);
  const track = node.lastChild;
  const told = lane.changes.filter((change) => change.at >= from).slice(-6).map((change) => `${clock(change.at)} ${change.phase}`);
  setAttr(track, "aria-label", `${lane.name}: ${told.join(", ")}`);
  keyed(track, lane.pieces, (piece) => `${piece.phase} ${piece.end === now ? "now" : piece.end}`, () => el("i"), (item, piece) => {
    setAttr(item, "data-tone", TONES[piece.phase] || "off");
    setAttr(item, "title", `${lane.name}: ${piece.phase} for ${span(piece.end - piece.at)} from ${clock(piece.at)}`);
    item.style.left = `${(100 * (piece.at - from)) / (now - from)}%`;
    item.style.width = `${(100 * (piece.end - piece.at)) / (now - from)}%`;
  });
}

export function drawTimeline(status, now) {
  const from = now - Number(byId("timeline-span").value);
  const found = lanes(events.list, status, from, now);
  keyed(byId("timeline-lanes"), found, (lane) => lane.name, makeLane, (node, lane) => updateLane(node, lane, from, now));
  show(byId("timeline-none"), !found.length);
  show(byId("timeline-axis"), found.length > 0);
  setText(byId("timeline-axis").children[1], clock(from));
}
