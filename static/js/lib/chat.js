// @ts-check
/** One conversation in a page: its turns are asked, watched, stopped, asked again. */

import { editMessage } from "./chat_edit.js";
import { bindSync } from "./chat_sync.js";
import { partOf, showEnded, TurnView } from "./turn_view.js";

/**
 * @typedef {object} ChatPlace where a conversation stands
 * @property {HTMLFormElement} form of the message and its parameters
 * @property {import("./chat_state.js").StateLine} line
 * @property {import("./follow.js").Follower} page what scrolls
 * @property {(problem: string, fields?: Record<string, string>) => void} complain
 * @property {(busy: boolean) => void} onBusy
 * @property {(turn: string) => void} [onBranch] the branch of this turn is in view
 * @property {() => void} [onBegun] a new conversation has its number
 */

/**
 * A turn that is asked again, maybe with another message, or whose answer goes on.
 * @typedef {{ retry?: string, continue?: string, prompt?: string }} OfTurn
 */

const csrf = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");

export class Chat {
  /**
   * @param {HTMLElement} convo with `data-chat`, empty for a new one
   * @param {ChatPlace} place
   */
  constructor(convo, place) {
    this.convo = convo;
    this.place = place;
    /** @type {TurnView | null} */
    this.current = null;
    this.isAsking = false; // this page's own change, whose hint is for other browsers
    this.others = this.#sync();
    convo.addEventListener("click", (event) => {
      const link = event.target instanceof Element ? event.target.closest("a[data-attempt]") : null;
      if (!(link instanceof HTMLElement) || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.#turnTo(link);
    });
  }

  /** Bring the turns that came with the page to life. */
  showAll() {
    const shown = /** @type {HTMLElement[]} */ ([...this.convo.querySelectorAll("[data-turn]")]);
    for (const turn of shown) this.show(turn);
    const linked = shown.find((turn) => `#${turn.id}` === location.hash);
    if (linked) linked.scrollIntoView();
    else if (shown.length) this.place.page.toEnd();
  }

  /** @param {HTMLElement} turn */
  show(turn) {
    if (turn.dataset.state === "streaming") this.#watch(turn);
    else showEnded(turn, this.place.page);
  }

  /** End the answer that is being made. */
  stop() {
    this.current?.stop();
  }

  /**
   * @param {FormData} data
   * @param {OfTurn} [of]
   * @returns {Promise<boolean>} false: the page shows why it was not asked
   */
  async ask(data, of) {
    if (this.current) return false;
    const last = /** @type {HTMLElement | undefined} */ ([...this.convo.querySelectorAll("[data-turn]")].at(-1));
    data.set("after", last?.dataset.turn ?? "");
    for (const [name, value] of Object.entries(of ?? {})) data.set(name, value);
    this.isAsking = true;
    const response = await this.#posted(this.place.form.action, { body: data, headers: { Accept: "application/json" } });
    if (!response) this.isAsking = false;
    else this.#asked(response, of !== undefined).finally(() => (this.isAsking = false));
    return response !== null;
  }

  /** Buttons of a turn. @param {HTMLElement} button @param {(of: OfTurn) => void} ask */
  clicked(button, ask) {
    // The thought may still grow: what is copied is what stands there now.
    if (button.dataset.copyPart === "reasoning" && this.current?.element.contains(button)) {
      button.dataset.copyText = this.current.parts.reasoning;
    }
    if (this.current) return;
    const turn = /** @type {HTMLElement | null} */ (button.closest("[data-turn]"));
    if (!turn) return;
    const { retry, edit, continue: goesOn } = button.dataset;
    if (retry) ask({ retry, prompt: partOf(turn, "prompt").textContent ?? "" });
    if (goesOn) ask({ continue: goesOn });
    if (edit !== undefined) editMessage(turn, (prompt) => ask({ retry: turn.dataset.turn ?? "", prompt }));
  }

  #sync() {
    return bindSync(
      this.convo,
      () => this.isAsking || this.current !== null,
      (turn) => this.show(turn),
    );
  }

  /**
   * Start, or go on with, a turn that has no end yet.
   * @param {HTMLElement} element
   */
  async #watch(element) {
    const { form, line, page, complain, onBusy } = this.place;
    const view = new TurnView(element, { relay: form.dataset.relay ?? "", csrf, line, page });
    this.current = view;
    complain("");
    onBusy(true);
    this.convo.dataset.busy = "";
    const problem = await view.follow();
    this.current = null;
    delete this.convo.dataset.busy;
    onBusy(false);
    if (problem) complain(problem);
    this.others.tell();
  }

  /** @param {Response} response @param {boolean} isBranch it stands beside another turn */
  async #asked(response, isBranch) {
    if (response.headers.get("content-type")?.startsWith("application/json")) {
      location.assign((await response.json()).url);
      return;
    }
    const element = await turnIn(response);
    const index = Number(element.dataset.index);
    const shown = /** @type {HTMLElement[]} */ ([...this.convo.querySelectorAll("[data-turn]")]);
    for (const turn of shown) if (Number(turn.dataset.index) >= index) turn.remove();
    this.convo.append(element);
    if (isBranch) this.place.onBranch?.(element.dataset.turn ?? "");
    this.convo.querySelector("[data-empty]")?.remove();
    if (!this.convo.dataset.chat) {
      this.convo.dataset.chat = element.dataset.chat;
      this.others = this.#sync();
      this.place.onBegun?.();
    }
    this.place.page.toEnd();
    this.others.tell();
    await this.#watch(element);
  }

  /** The branch of another attempt or version of a message. @param {HTMLElement} link */
  async #turnTo(link) {
    if (this.current) return;
    const turn = link.dataset.attempt ?? "";
    const part = link.closest(".of-message") ? ".of-message" : "[data-part=end]";
    const address = this.place.form.dataset.turns?.replace("0", turn) ?? "";
    this.isAsking = true;
    const isShown = await this.#posted(address, { headers: csrf });
    this.isAsking = false;
    if (!isShown) return;
    this.place.onBranch?.(turn);
    await this.others.look();
    const next = this.convo.querySelector(`#turn-${CSS.escape(turn)} ${part} a[data-attempt]`);
    /** @type {HTMLElement | null} */ (next)?.focus({ preventScroll: true });
  }

  /** @param {string} address @param {RequestInit} request @returns {Promise<Response | null>} null: the page shows why */
  async #posted(address, request) {
    const { complain } = this.place;
    complain("");
    let response;
    try {
      response = await fetch(address, { method: "POST", ...request });
    } catch {
      complain(gettext("The dashboard does not respond. Your message is not lost: send it again."));
      return null;
    }
    if (response.ok) return response;
    if (response.status === 422) {
      const { error, fields } = await response.json();
      complain(error, fields);
    } else complain(`${response.status} ${response.statusText}`);
    return null;
  }
}

/** @param {Response} response @returns {Promise<HTMLElement>} the turn that came */
async function turnIn(response) {
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  return /** @type {HTMLElement} */ (fresh.querySelector("[data-turn]"));
}
