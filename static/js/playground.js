// @ts-check
/** The playground: ask, watch the answer come, stop, ask again. */

import { renderMarkdown } from "./lib/markdown.js";
import { bindParams, setParam } from "./lib/chat_params.js";
import { StateLine } from "./lib/chat_state.js";
import { TurnView } from "./lib/turn_view.js";

const form = /** @type {HTMLFormElement} */ (document.getElementById("ask"));
const prompt = /** @type {HTMLTextAreaElement} */ (document.getElementById("prompt"));
const sendButton = /** @type {HTMLElement} */ (document.getElementById("send"));
const stopButton = /** @type {HTMLElement} */ (document.getElementById("stop"));
const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));
const convo = /** @type {HTMLElement} */ (document.querySelector("[data-convo]"));
const csrf = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
const line = new StateLine(/** @type {HTMLElement} */ (document.getElementById("sline")));

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
  const view = new TurnView(element, { relay: form.dataset.relay ?? "", csrf, line });
  current = view;
  complain("");
  setBusy(true);
  for (const button of convo.querySelectorAll("[data-retry]")) button.remove();
  const problemText = await view.follow();
  setBusy(false);
  current = null;
  if (problemText) complain(problemText);
  prompt.focus();
}

/** @param {string} [retry] the turn that is asked again */
async function ask(retry) {
  if (current) return;
  const data = new FormData(form);
  if (retry) {
    const element = convo.querySelector(`[data-turn="${CSS.escape(retry)}"]`);
    data.set("prompt", element?.querySelector("[data-part=prompt]")?.textContent ?? "");
    data.set("retry", retry);
  }
  complain("");
  let response;
  try {
    response = await fetch(form.action, { method: "POST", body: data, headers: { Accept: "application/json" } });
  } catch {
    complain(gettext("The dashboard does not answer. The message is still here: send it again."));
    return;
  }
  if (response.status === 422) return complain((await response.json()).error);
  if (!response.ok) return complain(`${response.status} ${response.statusText}`);
  if (!retry) prompt.value = "";
  if (response.headers.get("content-type")?.startsWith("application/json")) {
    location.assign((await response.json()).url);
    return;
  }
  convo.querySelector(`[data-turn="${CSS.escape(retry ?? "-")}"]`)?.remove();
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const element = /** @type {HTMLElement} */ (page.querySelector("[data-turn]"));
  convo.append(element);
  window.scrollTo({ top: document.documentElement.scrollHeight });
  await watch(element);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
prompt.addEventListener("keydown", (event) => {
  // Enter that ends a word in an input method is not for us.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
stopButton.addEventListener("click", () => current?.stop());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && current && !document.querySelector("dialog[open], details.pop[open]")) current.stop();
});
convo.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-retry]") : null;
  if (!(button instanceof HTMLElement) || current) return;
  const more = button.dataset.maxTokens;
  if (more) setParam("max_tokens", more);
  ask(button.dataset.retry);
});

bindParams(form);
for (const element of convo.querySelectorAll("[data-turn]")) {
  const turn = /** @type {HTMLElement} */ (element);
  if (turn.dataset.state === "streaming") {
    watch(turn);
  } else {
    const answer = /** @type {HTMLElement} */ (turn.querySelector("[data-part=answer]"));
    renderMarkdown(answer, answer.textContent ?? "");
  }
}
if (convo.querySelector("[data-turn]")) window.scrollTo({ top: document.documentElement.scrollHeight });
