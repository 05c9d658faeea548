// Is all well? One line, from the status and the sentences of its health; while zoosup is away, that.

import { byId, el, keyed, setAttr, setText, show } from "../dom.js";
import { reveal } from "./models.js";
import { span } from "../words.js";

const SHOWN = 6;
const RECENT = 600; // seconds for which a switch that went well is told of

function counts(status) {
  const models = Object.values(status.models);
  const active = models.filter((model) => model.active);
  const ready = (some) => some.filter((model) => model.phase === "ready").length;
  const words = [active.length ? `${ready(active)} of ${active.length} active models ready` : "no model is active"];
  const others = ready(models) - ready(active);
  if (others) words.push(`${others} more ready`);
  const asked = models.reduce((sum, model) => sum + model.inflight, 0);
  const waiting = models.reduce((sum, model) => sum + model.waiting, 0);
  if (asked) words.push(`${asked} requests being answered`);
  if (waiting) words.push(`${waiting} waiting`);
  return words.join(", ");
}

export function drawHeadline(state, now) {
  const box = byId("headline");
  const { status } = state;
  byId("columns").classList.toggle("stale", Boolean(state.away));
  if (state.away) {
    setAttr(box, "data-tone", "bad");
    setText(byId("headline-title"), state.away.refused ? "zoosup shows nothing to this page" : "zoosup does not answer");
    const seen = status ? `Below is how things stood ${span(now - status.at)} ago. ` : "";
    setText(byId("headline-more"), state.away.refused || `${seen}This page goes on by itself once zoosup is back.`);
    keyed(byId("headline-wrong"), [], String, null, null);
    document.title = "✗ zoosup";
    return;
  }
  if (!status) return;
  const { tone, verdict } = status.health;
  const words = verdict[0].toUpperCase() + verdict.slice(1);
  setAttr(box, "data-tone", tone);
  setText(byId("headline-title"), words);
  setText(byId("headline-more"), counts(status));
  document.title = `${{ ok: "✓", move: "→" }[tone] || "✗"} ${words}: zoosup ${status.instance}`;
  drawWrong(status, status.health.wrong);
}

function drawWrong(status, wrong) {
  const shown = wrong.slice(0, SHOWN);
  if (wrong.length > SHOWN) shown.push(`and ${wrong.length - SHOWN} more`);
  // What went well is told where all else does, too.
  const recent = (each) => status.health.tone !== "bad" && status.at - each.since < RECENT;
  const extra = status.conditions.filter((each) => each.problem || recent(each))
    .filter((each) => !(each.message && wrong.some((sentence) => sentence.includes(each.message))))
    .map((each) => `${each.words}: ${each.message}`);
  const lines = [...new Set([...shown, ...extra])];
  keyed(byId("headline-wrong"), lines.map((text, at) => ({ text, at })), (each) => each.at, () => el("li"), (node, each) => {
    const name = Object.keys(status.models).find((model) => each.text.startsWith(`${model} is `));
    if (node.dataset.text === each.text) return;
    node.dataset.text = each.text;
    node.replaceChildren(...(name ? [el("a", { href: `#model=${encodeURIComponent(name)}`, text: name, onclick: () => reveal(name) }), each.text.slice(name.length)] : [each.text]));
  });
}

export function drawFacts(status, now) {
  const { config } = status;
  setText(byId("whose"), `${status.instance} on ${status.node}`);
  const facts = [`version ${status.version}`, `generation ${config.generation}`, `${config.path}, read ${span(now - config.loaded_at)} ago`];
  if (status.gateway) facts.splice(1, 0, `gateway ${status.gateway}`);
  setText(byId("facts"), facts.join(" · "));
  show(byId("facts"), true);
}
