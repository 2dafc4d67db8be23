// @ts-check
/** Chats side by side: one message, an engine a column; no column waits for another. */

import { Chat } from "./lib/chat.js";
import { keepDraft } from "./lib/chat_draft.js";
import { bindFiles } from "./lib/chat_files.js";
import { bindParams, keepParams, setParam, showProblems } from "./lib/chat_params.js";
import { StateLine } from "./lib/chat_state.js";
import { bindDifference } from "./lib/diff_dialog.js";
import { Follower } from "./lib/follow.js";
import { bindMessageBox, bindSending } from "./lib/message_box.js";
import { expand, showEnded } from "./lib/turn_view.js";

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("ask"));
const elements = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-column]")]);
const foldAll = /** @type {HTMLElement} */ (document.getElementById("fold-all"));

class ChatColumn {
  /** @param {HTMLElement} element @param {HTMLFormElement} ask @param {() => void} changed */
  constructor(element, ask, changed) {
    this.element = element;
    this.form = ask;
    this.stopButton = this.#part("stop");
    this.problem = this.#part("problem");
    const page = new Follower(this.#part("flow"));
    this.chat = new Chat(this.#part("convo"), {
      form: ask,
      line: new StateLine(this.#part("sline")),
      page,
      complain: (text, fields = {}) => this.complain(text, fields),
      onBusy: (busy) => {
        this.stopButton.hidden = !busy;
        this.#part("figures").hidden = busy;
        page.keep(); // the figures take their place from the flow
        changed();
      },
      onBegun: () => this.#begun(),
    });
    for (const button of [this.stopButton, this.#part("loop-stop")]) {
      button.addEventListener("click", () => this.chat.stop());
    }
    element.addEventListener("click", (event) => this.#clicked(event));
    this.chat.showAll();
  }

  /** @param {string} text @param {Record<string, string>} [fields] problem of each field */
  complain(text, fields = {}) {
    this.problem.textContent = text;
    this.problem.hidden = !text;
    showProblems(fields);
  }

  get isBusy() {
    return this.chat.current !== null;
  }

  /** @param {FormData} data @param {import("./lib/chat.js").OfTurn} [of] @returns {Promise<boolean>} */
  ask(data, of) {
    data.set("deployment", this.element.dataset.engine ?? "");
    data.set("conversation", this.chat.convo.dataset.chat ?? "");
    data.set("beside", "1");
    return this.chat.ask(data, of);
  }

  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-${name}]`));
  }

  /** The column is a chat from now on: the address shows that chat. */
  #begun() {
    const number = this.chat.convo.dataset.chat ?? "";
    this.element.dataset.column = `chat:${number}`;
    const alone = /** @type {HTMLAnchorElement} */ (this.#part("alone"));
    alone.href = alone.dataset.href?.replace("/0/", `/${number}/`) ?? "";
    alone.hidden = false;
    const choice = this.element.querySelector("[data-column-choice]");
    const kept = Object.assign(document.createElement("input"), { type: "hidden", name: "column", value: `chat:${number}` });
    kept.setAttribute("form", "columns");
    const title = Object.assign(document.createElement("h2"), { className: "cut", textContent: this.element.querySelector("[data-sline]")?.getAttribute("data-name") ?? "" });
    choice?.replaceWith(kept, title);
    showAddress();
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (!button) return;
    this.chat.clicked(button, (of) => {
      if (button.dataset.maxTokens) setParam("max_tokens", button.dataset.maxTokens);
      this.ask(new FormData(this.form), of);
    });
  }
}

/** The address, and the links that take a column away, have the columns as they are now. */
function showAddress() {
  /** @param {HTMLElement} [left] */
  const query = (left) => `?${new URLSearchParams(elements.filter((one) => one !== left).map((one) => ["column", one.dataset.column ?? ""]))}`;
  history.replaceState(history.state, "", query());
  for (const element of elements) {
    const link = /** @type {HTMLAnchorElement | null} */ (element.querySelector("[data-remove]"));
    if (link) link.href = query(element);
  }
}

/** @param {HTMLFormElement} ask */
function bindAsking(ask) {
  const prompt = /** @type {HTMLTextAreaElement} */ (document.getElementById("prompt"));
  const stopAll = /** @type {HTMLElement} */ (document.getElementById("stop"));
  const sendWord = /** @type {HTMLElement} */ (document.querySelector("#send [data-word]"));
  const send = /** @type {HTMLButtonElement} */ (document.getElementById("send"));
  const wasDisabled = send.disabled;
  const saveDraft = keepDraft(prompt, "side-by-side");
  const fit = bindMessageBox(prompt);
  const problem = /** @type {HTMLElement} */ (document.getElementById("problem"));
  const files = bindFiles(ask, (text) => {
    problem.textContent = text;
    problem.hidden = !text;
  });
  /** @type {ChatColumn[]} */
  const columns = [];

  function changed() {
    const free = columns.filter((column) => !column.isBusy).length;
    const all = columns.length;
    stopAll.hidden = free === all;
    send.disabled = wasDisabled || free === 0;
    const isPart = free > 0 && free < all;
    sendWord.textContent = isPart ? interpolate(gettext("Send to %(free)s of %(all)s"), { free, all }, true) : gettext("Send");
  }

  async function sendAll() {
    const free = columns.filter((column) => !column.isBusy);
    const asked = await Promise.all(
      free.map((column) => {
        const data = new FormData(ask);
        files.into(data);
        return column.ask(data);
      }),
    );
    if (!asked.includes(true)) return;
    files.clear();
    prompt.value = "";
    saveDraft();
    fit();
  }

  const stop = () => {
    for (const column of columns) column.chat.stop();
  };
  for (const element of elements) columns.push(new ChatColumn(element, ask, changed));
  changed();
  bindParams(ask);
  if (!elements.some((one) => one.dataset.column?.startsWith("chat:"))) keepParams(ask); // a chat has its own
  bindSending(ask, prompt, { send: sendAll, stop, isBusy: () => columns.some((column) => column.isBusy) });
  stopAll.addEventListener("click", stop);
  for (const choice of document.querySelectorAll("[data-column-choice]")) {
    choice.addEventListener("change", () => /** @type {HTMLFormElement} */ (document.getElementById("columns")).requestSubmit());
  }
}

/** @param {Iterable<Element>} thoughts @param {boolean} isOpen */
function openThoughts(thoughts, isOpen) {
  for (const thought of thoughts) thought.toggleAttribute("open", isOpen);
}

foldAll.addEventListener("click", () => {
  const isOpen = foldAll.getAttribute("aria-pressed") !== "true";
  foldAll.setAttribute("aria-pressed", String(isOpen));
  openThoughts(document.querySelectorAll("[data-part=think]"), isOpen);
});
document.querySelector("[data-columns]")?.addEventListener("click", (event) => {
  if (!(event.target instanceof Element)) return;
  const button = event.target.closest("button");
  if (button) expand(button);
  // The thoughts about one question open and close together; the one that is clicked does so by itself.
  const here = event.target.closest("summary")?.closest("[data-part=think]");
  const index = /** @type {HTMLElement | null} */ (here?.closest("[data-turn]") ?? null)?.dataset.index;
  if (!here || index === undefined) return;
  const same = document.querySelectorAll(`[data-turn][data-index="${index}"] [data-part=think]`);
  openThoughts([...same].filter((one) => one !== here), !here.hasAttribute("open"));
});

if (form) bindAsking(form);
else {
  for (const turn of document.querySelectorAll("[data-turn]")) {
    showEnded(/** @type {HTMLElement} */ (turn), new Follower(/** @type {HTMLElement} */ (turn.closest("[data-flow]"))));
  }
}
bindDifference(/** @type {HTMLDialogElement} */ (document.getElementById("difference")), elements);
