// The page: holds the newest status, and has each part draw itself from it.
//
// It asks when something has happened, which it hears by one stream of events; every few seconds besides, for what no
// event tells (memory, requests); and not at all while nobody looks.

import { askForToken, reload } from "./actions.js";
import { drawChat, startChat } from "./parts/chat.js";
import { byId, show } from "./dom.js";
import { addEvents, resetEvents, startEvents } from "./parts/events.js";
import { drawFacts, drawHeadline } from "./parts/headline.js";
import { askForHour, forgetHour } from "./parts/hour.js";
import { askForHosts, drawHosts } from "./parts/hosts.js";
import { drawLogChoice, pauseLog, resumeLog, startLogs } from "./parts/logs.js";
import { drawModels, onToggle, startModels } from "./parts/models.js";
import { drawPools } from "./parts/pools.js";
import { Refused, ask, followEvents, token } from "./source.js";
import { drawSwitch } from "./parts/switch.js";
import { drawTimeline } from "./parts/timeline.js";
import { inMotion } from "./words.js";

const CALM = 5000; // milliseconds between looks when nothing happens
const MOVING = 1500; // and while something is under way
const AWAY = 2000; // and while zoosup does not answer
const GAP = 600; // the least time between two looks, however much happens
const BYTES_PER_SECOND = 40000; // what a calm page may have zoosup write: a large zoo is looked at less often
const EVENTS = 400;

const state = { status: null, away: null, bytes: 0, skew: 0 };

const now = () => Date.now() / 1000 + state.skew;

function draw() {
  drawHeadline(state, now());
  show(byId("give"), Boolean(state.away?.denied));
  if (!state.status) return;
  drawFacts(state.status, now());
  drawSwitch(state.status, now());
  drawPools(state.status, now());
  drawHosts();
  drawModels(state.status, now());
  drawTimeline(state.status, now());
  drawLogChoice(state.status);
  drawChat(state.status);
  show(byId("columns"), true);
}

let timer = 0;
let lastLook = 0;
let looking = false;
let lookAgain = false;

function lookIn(milliseconds) {
  clearTimeout(timer);
  if (!document.hidden && !state.away?.denied) timer = setTimeout(look, Math.max(milliseconds, lastLook + GAP - Date.now()));
}

function pause() {
  if (state.away) return AWAY;
  const moving = Object.values(state.status.models).some((model) => inMotion(model) || model.inflight || model.waiting);
  return Math.max(moving || !state.status.converged ? MOVING : CALM, (1000 * state.bytes) / BYTES_PER_SECOND);
}

async function look() {
  if (looking) {
    lookAgain = true;
    return;
  }
  looking = true;
  lastLook = Date.now();
  try {
    await fetchState();
  } catch (error) {
    await lost(error);
  }
  looking = false;
  try {
    draw();
  } finally {
    lookIn(lookAgain ? GAP : pause()); // whatever one part could not draw, the next look may
    lookAgain = false;
  }
}

async function fetchState() {
  const status = await ask("/status?health=1");
  const first = !state.status;
  state.status = status.data;
  state.bytes = status.bytes;
  // The two clocks may differ. A status may be some seconds old, so that the largest difference seen is the nearest.
  const skew = status.data.at - Date.now() / 1000;
  state.skew = first || state.away ? skew : Math.max(state.skew, skew);
  if (state.away) {
    restartEvents();
    forgetHour();
  }
  state.away = null;
  await Promise.all([askForHour().catch(() => {}), askForHosts(status.data).catch(() => {})]); // drawn as far as known
  if (first) {
    draw();
    openLinked();
  }
}

/** Asks once; whoever says no has a button for it, and no question every other second. */
async function askToRead() {
  token.forget();
  if (!(await askForToken("zoosup shows its status on this address to those who have its token."))) return;
  state.away.denied = false;
  lookAgain = true;
}

async function lost(error) {
  const refused = error instanceof Refused && error.status !== 503 ? error.message : "";
  state.away = { refused, denied: error instanceof Refused && error.status === 401 };
  draw();
  if (state.away.denied) await askToRead();
}

let hearing = null;

function restartEvents() {
  hearing?.abort();
  hearing = null;
  if (!document.hidden) hear((hearing = new AbortController()).signal);
}

async function hear(signal) {
  while (!signal.aborted) {
    let [wait, fresh] = [AWAY, true];
    try {
      await followEvents(EVENTS, signal, () => resetEvents(), (more) => {
        addEvents(more, fresh);
        fresh = false;
        lookIn(0);
      });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused) wait = 30000;
    }
    lookIn(0);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(timer);
    hearing?.abort();
    pauseLog();
    return;
  }
  restartEvents();
  resumeLog();
  lookIn(0);
});

// What counts in seconds goes on between two looks.
setInterval(() => {
  if (document.hidden || !state.status) return;
  if (state.away) drawHeadline(state, now());
  else draw();
}, 1000);

byId("give").addEventListener("click", look);
byId("reload").addEventListener("click", reload);
byId("forget").addEventListener("click", () => {
  token.forget();
  show(byId("forget"), false);
});
show(byId("forget"), Boolean(token.get()));
byId("timeline-span").addEventListener("change", draw);
onToggle(draw);
startEvents();
startLogs();
startChat();
const openLinked = startModels();
restartEvents();
look();
