// @ts-check
/** The playground: ask, watch the answer come, stop, ask again. */

import { Chat } from "./lib/chat.js";
import { bindDeployment } from "./lib/chat_deployment.js";
import { keepDraft } from "./lib/chat_draft.js";
import { bindFiles } from "./lib/chat_files.js";
import { bindParams, placeOnPhone, setParam, showProblems } from "./lib/chat_params.js";
import { StateLine } from "./lib/chat_state.js";
import { Follower } from "./lib/follow.js";
import { bindMessageBox, bindSending, bindToEnd } from "./lib/message_box.js";
import { expand } from "./lib/turn_view.js";

const form = /** @type {HTMLFormElement} */ (document.getElementById("ask"));
const prompt = /** @type {HTMLTextAreaElement} */ (document.getElementById("prompt"));
const sendButton = /** @type {HTMLElement} */ (document.getElementById("send"));
const stopButton = /** @type {HTMLElement} */ (document.getElementById("stop"));
const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));
const convo = /** @type {HTMLElement} */ (document.querySelector("[data-convo]"));
const line = new StateLine(/** @type {HTMLElement} */ (document.getElementById("sline")));
const page = new Follower(document.documentElement);
const chat = new Chat(convo, { form, line, page, complain, onBusy, onBranch });
const saveDraft = keepDraft(prompt, convo.dataset.chat ?? "");
const fit = bindMessageBox(prompt);
const files = bindFiles(form, complain);

/** @param {string} text @param {Record<string, string>} [fields] problem of each field */
function complain(text, fields = {}) {
  problem.textContent = text;
  problem.hidden = !text;
  showProblems(fields);
}

/** @param {boolean} busy */
function onBusy(busy) {
  stopButton.hidden = !busy;
  sendButton.hidden = busy;
  if (!busy && document.activeElement === document.body) prompt.focus({ preventScroll: true });
}

/** The address shows the branch in view. @param {string} turn */
function onBranch(turn) {
  history.replaceState(history.state, "", `?turn=${turn}`);
}

/** @param {import("./lib/chat.js").OfTurn} [of] */
async function ask(of) {
  const data = new FormData(form);
  if (!of) files.into(data);
  if (!(await chat.ask(data, of)) || of) return;
  files.clear();
  prompt.value = "";
  saveDraft();
  fit();
}

bindSending(form, prompt, {
  send: ask,
  stop: () => chat.stop(),
  isBusy: () => chat.current !== null,
});
stopButton.addEventListener("click", () => chat.stop());
document.querySelector("[data-loop-stop]")?.addEventListener("click", () => chat.stop());
convo.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  if (!button) return;
  expand(button);
  chat.clicked(button, (of) => {
    if (button.dataset.maxTokens) setParam("max_tokens", button.dataset.maxTokens);
    ask(of);
  });
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
chat.showAll();
