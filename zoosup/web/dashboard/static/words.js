// Figures and phases as people read them: the same rules as those of `zoosup status`. Knows no page.

const UNITS = ["TiB", "GiB", "MiB", "KiB"];

/** One digit behind the point, a tie to the even one: so does the command line. */
function rounded(amount) {
  const low = Math.floor(amount * 10);
  if (amount * 10 - low !== 0.5) return Number(amount.toFixed(1));
  return (low % 2 ? low + 1 : low) / 10;
}

/** Bytes for people; unknown is never 0. */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return "unknown";
  for (const [at, unit] of UNITS.entries()) {
    const amount = bytes / 1024 ** (4 - at);
    if (Math.abs(amount) >= 1) return `${rounded(amount)} ${unit}`;
  }
  return `${bytes} B`;
}

/** `1.5 of 2 GiB`: two sizes, the unit once where it is the same. */
export function pair(part, whole) {
  const [first, second] = [size(part), size(whole)];
  const unit = second.slice(second.indexOf(" "));
  return first.endsWith(unit) ? `${first.slice(0, -unit.length)} of ${second}` : `${first} of ${second}`;
}

/** A time in its two largest units: `59s`, `1m05s`, `3h02m`, `12d04h`. */
export function span(seconds) {
  const left = Math.max(0, Math.floor(seconds));
  const two = (count) => String(count).padStart(2, "0");
  if (left >= 86400) return `${Math.floor(left / 86400)}d${two(Math.floor((left % 86400) / 3600))}h`;
  if (left >= 3600) return `${Math.floor(left / 3600)}h${two(Math.floor((left % 3600) / 60))}m`;
  if (left >= 60) return `${Math.floor(left / 60)}m${two(left % 60)}s`;
  return `${left}s`;
}

export const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hour12: false });

export const moment = (at) => new Date(at * 1000).toLocaleString([], { hour12: false });

/** The colour of a phase: what is bad, what moves by itself, what is well. */
export const TONES = {
  ready: "ok", unready: "warn", starting: "move", pending: "warn", parking: "move", parked: "asleep",
  draining: "move", stopping: "move", backoff: "bad", failed: "bad", stopped: "off", reachable: "ok", unreachable: "bad",
};

export const tone = (model) => (model.refused ? "bad" : TONES[model.phase] || "off");

/** What the file says of when it runs. */
export function role(model) {
  if (model.external) return ["elsewhere"];
  const words = [model.active && "active", model.on_demand && "on demand"].filter(Boolean);
  if (model.override) words.push(`${model.override} by hand`);
  return words;
}

export function requests(model) {
  return [model.inflight && `${model.inflight} being answered`, model.waiting && `${model.waiting} waiting`]
    .filter(Boolean).join(", ");
}

/** What a condition is about, for how long, and its message. */
export const condition = (each, now) => `${each.words}, ${span(now - each.since)} ago: ${each.message}`;

const isMoving = (condition) => condition.reason === "InProgress";

export const isBad = (condition) => condition.problem;

/** The phases in which something goes on by itself, and is worth asking about more often. */
export const inMotion = (model) =>
  ["starting", "draining", "stopping", "parking"].includes(model.phase) || (model.phase === "pending" && !model.refused);
