// @ts-check
/** The playground: ask, watch the answer come, stop, ask again. */

import { bindDeployment } from "./lib/chat_deployment.js";
import { keepDraft } from "./lib/chat_draft.js";
import { bindParams, placeOnPhone, setParam } from "./lib/chat_params.js";
import { StateLine } from "./lib/chat_state.js";
import { bindSync } from "./lib/chat_sync.js";
import { Follower } from "./lib/follow.js";
import { bindMessageBox, bindToEnd } from "./lib/message_box.js";
import { expand, partOf, showEnded, TurnView } from "./lib/turn_view.js";

const IME_KEY = 229; // keyCode of a key that an input method took
const form = /** @type {HTMLFormElement} */ (document.getElementById("ask"));
const prompt = /** @type {HTMLTextAreaElement} */ (document.getElementById("prompt"));
const sendButton = /** @type {HTMLElement} */ (document.getElementById("send"));
const stopButton = /** @type {HTMLElement} */ (document.getElementById("stop"));
const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));
const convo = /** @type {HTMLElement} */ (document.querySelector("[data-convo]"));
const csrf = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
const line = new StateLine(/** @type {HTMLElement} */ (document.getElementById("sline")));
const page = new Follower(document.documentElement);

/** @type {TurnView | null} */
let current = null;

/** @param {string} text */
function complain(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

/** @param {boolean} busy */
function setBusy(busy) {
  stopButton.hidden = !busy;
  sendButton.hidden = busy;
}

/**
 * Start, or go on with, a turn that has no end yet.
 * @param {HTMLElement} element
 */
async function watch(element) {
  const view = new TurnView(element, { relay: form.dataset.relay ?? "", csrf, line, page });
  current = view;
  complain("");
  setBusy(true);
  for (const button of convo.querySelectorAll("[data-retry]")) button.remove();
  const problemText = await view.follow();
  setBusy(false);
  current = null;
  if (problemText) complain(problemText);
  tellOthers();
  if (document.activeElement === document.body) prompt.focus({ preventScroll: true });
}

/** @param {HTMLElement} turn */
function show(turn) {
  if (turn.dataset.state === "streaming") watch(turn);
  else showEnded(turn, page);
}

const tellOthers = bindSync(convo, () => current !== null, show);
const saveDraft = keepDraft(prompt, convo.dataset.chat ?? "");
const fit = bindMessageBox(prompt);

/** @param {string} address @param {RequestInit} request @returns {Promise<Response | null>} null: the page shows why */
async function posted(address, request) {
  complain("");
  let response;
  try {
    response = await fetch(address, { method: "POST", ...request });
  } catch {
    complain(gettext("The dashboard does not respond. Your message is not lost: send it again."));
    return null;
  }
  if (response.ok) return response;
  complain(response.status === 422 ? (await response.json()).error : `${response.status} ${response.statusText}`);
  return null;
}

/** @param {Response} response @returns {Promise<HTMLElement>} the turn that came */
async function turnIn(response) {
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  return /** @type {HTMLElement} */ (fresh.querySelector("[data-turn]"));
}

/** @param {string} [retry] the turn that is asked again */
async function ask(retry) {
  if (current) return;
  const data = new FormData(form);
  const old = retry ? convo.querySelector(`[data-turn="${CSS.escape(retry)}"]`) : null;
  if (retry && old) {
    data.set("prompt", partOf(/** @type {HTMLElement} */ (old), "prompt").textContent ?? "");
    data.set("retry", retry);
  }
  const response = await posted(form.action, { body: data, headers: { Accept: "application/json" } });
  if (!response) return;
  if (!retry) {
    prompt.value = "";
    saveDraft();
    fit();
  }
  if (response.headers.get("content-type")?.startsWith("application/json")) {
    location.assign((await response.json()).url);
    return;
  }
  const element = await turnIn(response);
  if (old) old.replaceWith(element);
  else convo.append(element);
  page.toEnd();
  tellOthers();
  await watch(element);
}

/** Another attempt of the same question. @param {HTMLElement} button */
async function turnTo(button) {
  const here = button.closest("[data-turn]");
  const address = form.dataset.turns?.replace("0", button.dataset.attempt ?? "") ?? "";
  const response = await posted(address, { headers: csrf });
  if (!response) return;
  const element = await turnIn(response);
  here?.replaceWith(element);
  show(element);
  /** @type {HTMLElement | null} */ (element.querySelector("[data-attempt]:enabled"))?.focus({ preventScroll: true });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
prompt.addEventListener("keydown", (event) => {
  // Enter that ends a word in an input method is not for us. Safari sends it after the composition.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === IME_KEY) return;
  event.preventDefault();
  form.requestSubmit();
});
stopButton.addEventListener("click", () => current?.stop());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && current && !document.querySelector("dialog[open], details.pop[open]")) current.stop();
});
convo.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  if (!button) return;
  expand(button);
  // The thought may still grow: what is copied is what stands there now.
  if (button.dataset.copyPart === "reasoning" && current?.element.contains(button)) {
    button.dataset.copyText = current.parts.reasoning;
  }
  if (current) return;
  if (button.dataset.attempt) turnTo(button);
  if (!button.dataset.retry) return;
  if (button.dataset.maxTokens) setParam("max_tokens", button.dataset.maxTokens);
  ask(button.dataset.retry);
});

bindParams(form);
placeOnPhone();
bindToEnd(
  /** @type {HTMLElement} */ (document.getElementById("to-end")),
  /** @type {Element} */ (document.getElementById("end")),
  () => {
    page.toEnd();
    prompt.focus({ preventScroll: true });
  },
);
bindDeployment(form, complain);
const shown = /** @type {HTMLElement[]} */ ([...convo.querySelectorAll("[data-turn]")]);
for (const turn of shown) show(turn);
if (shown.length) page.toEnd();
