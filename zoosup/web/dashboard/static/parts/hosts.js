// All hosts of the fleet: what each has last said of itself, and where every model is. Nothing where this is the only one.

import { byId, el, keyed, setAttr, setText, show } from "../dom.js";
import { ask } from "../source.js";
import { TONES, pair, span } from "../words.js";

let fleet = null;
let asked = 0;

/** Asks for the other hosts where there are any, and keeps what was known where the answer fails to come. */
export async function askForHosts(status) {
  if (!status.fleet) {
    fleet = null;
    return;
  }
  fleet = (await ask("/fleet")).data;
  asked = Date.now();
}

/** Seconds since a host has said so: on its way to the fleet, to this host, and to this page. */
const age = (host) => host.age + (fleet.age || 0) + (Date.now() - asked) / 1000;

/** How a host is, and in which colour. */
function health(host) {
  const said = host.report;
  const ago = `${span(age(host))} ago`;
  if (host.lost) return ["bad", said.pools.length ? `lost: it last reported ${ago}` : "lost: it never reported"];
  if (said.leaving) return ["move", "leaving"];
  if (said.draining || said.assignment.drained) return ["asleep", `drained, reported ${ago}`];
  return ["ok", `reported ${ago}`];
}

function rooms({ report }) {
  return report.pools.map((pool) => {
    const held = Object.values(report.models).reduce((sum, model) => sum + (model.held[pool.id] || 0), 0);
    const name = pool.id === "ram" ? "RAM" : `GPU ${pool.index || pool.name}`;
    return { key: pool.id, held, capacity: pool.capacity, text: `${name} ${pair(held, pool.capacity)}` };
  });
}

/** What runs on a host, or is to run there. */
function models(node, host) {
  const placed = (name) => (fleet.view.placements[name] || []).includes(node);
  return Object.entries(host.report.models)
    .filter(([name, model]) => model.phase !== "stopped" || placed(name))
    .map(([name, model]) => ({ name, phase: host.lost ? "lost" : model.phase }));
}

function makeHost() {
  return el("article", { class: "host" },
    el("h3", {}, el("span", { class: "host-name" }), el("span", { class: "muted host-health" })),
    el("ul", { class: "legend host-rooms" }),
    el("ul", { class: "legend host-models" }));
}

function updateHost(article, [node, host]) {
  const [tone, text] = health(host);
  setAttr(article, "data-tone", tone);
  setText(article.querySelector(".host-name"), node === fleet.node ? `${node}, this one` : node);
  setText(article.querySelector(".host-health"), ` ${text}`);
  const makeItem = () => el("li", {}, el("i"), el("span"));
  keyed(article.querySelector(".host-rooms"), rooms(host), (each) => each.key, () => el("li", {}, el("meter", { min: 0 }), el("span")), (item, each) => {
    setAttr(item.firstChild, "max", each.capacity || 1);
    setAttr(item.firstChild, "value", Math.min(each.held, each.capacity));
    setAttr(item.firstChild, "aria-hidden", "true");
    setText(item.lastChild, each.text);
  });
  keyed(article.querySelector(".host-models"), models(node, host), (each) => each.name, makeItem, (item, each) => {
    setAttr(item, "data-tone", TONES[each.phase] || "bad");
    setText(item.lastChild, `${each.name} ${each.phase}`);
  });
}

export function drawHosts() {
  show(byId("hosts"), Boolean(fleet));
  if (!fleet) return;
  const hosts = Object.entries(fleet.view?.hosts || {});
  const heard = fleet.age === null ? "Its fleet has not answered yet." : `As ${fleet.node} knew it ${span(fleet.age + (Date.now() - asked) / 1000)} ago.`;
  setText(byId("hosts-heard"), heard);
  keyed(byId("hosts-list"), hosts, ([node]) => node, makeHost, updateHost);
  const nowhere = Object.entries(fleet.view?.refusals || {});
  keyed(byId("hosts-nowhere"), nowhere, ([name]) => name, () => el("li"), (item, [name, why]) => setText(item, `No host can have ${name}. ${why}`));
}
