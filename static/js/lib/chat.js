// @ts-check
/** One conversation in a page: its turns are asked, watched, stopped, asked again. */

import { bindSync } from "./chat_sync.js";
import { partOf, showEnded, TurnView } from "./turn_view.js";

/**
 * @typedef {object} ChatPlace where a conversation stands
 * @property {HTMLFormElement} form of the message and its parameters
 * @property {import("./chat_state.js").StateLine} line
 * @property {import("./follow.js").Follower} page what scrolls
 * @property {(problem: string, fields?: Record<string, string>) => void} complain
 * @property {(busy: boolean) => void} onBusy
 * @property {() => void} [onBegun] a new conversation has its number
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
    this.tellOthers = this.#sync();
  }

  /** Bring the turns that came with the page to life. */
  showAll() {
    const shown = /** @type {HTMLElement[]} */ ([...this.convo.querySelectorAll("[data-turn]")]);
    for (const turn of shown) this.show(turn);
    if (shown.length) this.place.page.toEnd();
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
   * @param {string} [retry] the turn that is asked again
   * @returns {Promise<boolean>} false: the page shows why it was not asked
   */
  async ask(data, retry) {
    if (this.current) return false;
    const old = retry ? this.convo.querySelector(`[data-turn="${CSS.escape(retry)}"]`) : null;
    if (retry && old) {
      data.set("prompt", partOf(/** @type {HTMLElement} */ (old), "prompt").textContent ?? "");
      data.set("retry", retry);
    }
    const response = await this.#posted(this.place.form.action, { body: data, headers: { Accept: "application/json" } });
    if (!response) return false;
    this.#asked(response, old);
    return true;
  }

  /** Buttons of a turn. @param {HTMLElement} button @param {(retry: string) => void} retry */
  clicked(button, retry) {
    // The thought may still grow: what is copied is what stands there now.
    if (button.dataset.copyPart === "reasoning" && this.current?.element.contains(button)) {
      button.dataset.copyText = this.current.parts.reasoning;
    }
    if (this.current) return;
    if (button.dataset.attempt) this.#turnTo(button);
    if (button.dataset.retry) retry(button.dataset.retry);
  }

  #sync() {
    return bindSync(
      this.convo,
      () => this.current !== null,
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
    for (const button of this.convo.querySelectorAll("[data-retry]")) button.remove();
    const problem = await view.follow();
    this.current = null;
    onBusy(false);
    if (problem) complain(problem);
    this.tellOthers();
  }

  /** @param {Response} response @param {Element | null} old the attempt before */
  async #asked(response, old) {
    if (response.headers.get("content-type")?.startsWith("application/json")) {
      location.assign((await response.json()).url);
      return;
    }
    const element = await turnIn(response);
    if (old) old.replaceWith(element);
    else this.convo.append(element);
    this.convo.querySelector("[data-empty]")?.remove();
    if (!this.convo.dataset.chat) {
      this.convo.dataset.chat = element.dataset.chat;
      this.tellOthers = this.#sync();
      this.place.onBegun?.();
    }
    this.place.page.toEnd();
    this.tellOthers();
    await this.#watch(element);
  }

  /** Another attempt of the same question. @param {HTMLElement} button */
  async #turnTo(button) {
    const here = button.closest("[data-turn]");
    const address = this.place.form.dataset.turns?.replace("0", button.dataset.attempt ?? "") ?? "";
    const response = await this.#posted(address, { headers: csrf });
    if (!response) return;
    const element = await turnIn(response);
    here?.replaceWith(element);
    this.show(element);
    /** @type {HTMLElement | null} */ (element.querySelector("[data-attempt]:enabled"))?.focus({ preventScroll: true });
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
