// The only part that changes anything: it asks for the token once, and says what became of a wish.

import { byId, setText, show } from "./dom.js";
import { Refused, ask, modelPath, token } from "./source.js";

let quiet = 0;

/** Says one sentence where people and screen readers find it. */
function notice(text, bad = false) {
  const box = byId("notice");
  box.dataset.tone = bad ? "bad" : "ok";
  setText(box, text);
  show(box, true);
  clearTimeout(quiet);
  quiet = setTimeout(() => show(box, false), bad ? 12000 : 5000);
}

function opened(dialog, form, cancel) {
  return new Promise((resolve) => {
    const ended = new AbortController();
    const end = (answer) => {
      ended.abort();
      dialog.close();
      resolve(answer);
    };
    form.addEventListener("submit", (event) => { event.preventDefault(); end(true); }, { signal: ended.signal });
    cancel.addEventListener("click", () => end(false), { signal: ended.signal });
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); end(false); }, { signal: ended.signal });
    dialog.showModal();
  });
}

/** Asks for the token; false when none was given. One question at a time. */
export async function askForToken(why) {
  const dialog = byId("token-dialog");
  if (dialog.open) return false;
  const input = byId("token-input");
  input.value = "";
  setText(byId("token-why"), why);
  const given = await opened(dialog, byId("token-form"), byId("token-cancel"));
  if (given) token.set(input.value.trim());
  input.value = "";
  show(byId("forget"), Boolean(token.get()));
  return given;
}

function sure(title, text, yes) {
  setText(byId("sure-title"), title);
  setText(byId("sure-text"), text);
  setText(byId("sure-yes"), yes);
  return opened(byId("sure-dialog"), byId("sure-form"), byId("sure-no"));
}

/** Posts a wish with the token, which is asked for where none is known or the known one is refused; null: not done. */
export async function post(path) {
  if (!token.get() && !(await askForToken("To change anything, zoosup wants its token."))) return null;
  for (;;) {
    try {
      return (await ask(path, { method: "POST", signal: AbortSignal.timeout(30000) })).data;
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) {
        notice(error instanceof Refused ? error.message : "zoosup does not answer; nothing is known to have changed.", true);
        return null;
      }
      token.forget();
      if (!(await askForToken("zoosup does not know this token. Another one?"))) return null;
    }
  }
}

const QUESTIONS = { stop: "Stop", restart: "Restart", unload: "Unload" };

/** Starts, stops, restarts, unloads a model, or gives it back to the file; asks first where requests may be lost. */
export async function act(name, verb, model) {
  const word = QUESTIONS[verb];
  if (word && model.phase !== "stopped") {
    const busy = model.inflight ? `It is answering ${model.inflight} now; these are finished first, as stop.before and stop.grace allow.` : "It is answering nothing now.";
    if (!(await sure(`${word} ${name}?`, busy, word))) return;
  }
  const answer = await post(`/models/${modelPath(name)}/${verb}`);
  if (answer) notice([`${name}: ${verb} is asked for`, answer.phase && `it is ${answer.phase} now`, answer.message].filter(Boolean).join("; "));
}

export async function reload() {
  const answer = await post("/reload");
  if (answer) notice(answer.error ? `zoo.yaml is refused: ${answer.error}` : "zoo.yaml is read again.", Boolean(answer.error));
}
