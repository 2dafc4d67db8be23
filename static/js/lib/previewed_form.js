// @ts-check
/**
 * A form that shows what its values mean: a change sends them, and the answer brings the whole page
 * along. An answer never touches a control that is newer than its request, nor the one under the
 * cursor (docs/decisions/0128-an-answer-keeps-what-is-newer.md).
 */

import { swap } from "./fragments.js";

export class PreviewedForm {
  #form;
  #place;
  #clock = 0;
  /** @type {Map<string, number>} when the controls of a name last got input */
  #typed = new Map();
  /** @type {AbortController | null} */
  #request = null;
  /** @type {(() => void) | null} asks anew what had no answer */
  #again = null;
  #changed = document.body; // the control whose change had no answer

  /**
   * @param {HTMLFormElement} form
   * @param {string} place selector of the part of the page that an answer brings up to date
   */
  constructor(form, place) {
    this.#form = form;
    this.#place = place;
    // The focus is where the page before had it.
    addEventListener("load", () => history.replaceState(history.state, "", location.href.split("#", 1)[0]));
    document.addEventListener("input", ({ target }) => {
      const name = nameOf(target);
      if (name) this.#typed.set(name, ++this.#clock);
    });
    document.addEventListener("click", ({ target }) => {
      if (!this.#again || !(target instanceof Element) || !target.matches("[data-ask-again]")) return;
      this.#changed.focus(); // the button will be gone
      this.#again();
    });
  }

  /** True if the form lacks an answer: it does not show the last change. */
  get isUnanswered() {
    return this.#again !== null;
  }

  /** True while an answer is on its way. */
  get isAsking() {
    return this.#request !== null;
  }

  /** True if a person gave this control a value on this page. @param {string} name */
  isTyped(name) {
    return this.#typed.has(name);
  }

  /**
   * Bring the page to `address`, which replaces a request on its way. Without an answer the form says so.
   * @param {string} address
   * @param {Element} changed
   * @param {() => void} again asks with the values of then
   * @returns {Promise<boolean>} true once the page has the answer; false: replaced, or no answer
   */
  async ask(address, changed, again) {
    this.#request?.abort();
    const request = (this.#request = new AbortController());
    const sent = this.#clock;
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: request.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector(this.#place);
      address = answer.redirected ? answer.url : address;
      const old = document.querySelector(this.#place);
      if (request.signal.aborted) return false; // replaced
      if (answer.status >= 500) return this.#say(again, changed), false; // as if away
      if (!answer.ok || !fresh || !old) return go(address), false; // another form, logged out, an error
      htmx.trigger(this.#form, "htmx:abort"); // a preview on its way is of the form before
      swap(old, fresh, (node) => (this.#typed.get(nameOf(node)) ?? 0) > sent);
      document.title = page.title;
    } catch (error) {
      if (!request.signal.aborted && !(error instanceof TypeError)) throw error;
      if (!request.signal.aborted) this.#say(again, changed); // the server is away: the form stays
      return false;
    } finally {
      if (this.#request === request) this.#request = null;
    }
    this.#say(null);
    history.replaceState(history.state, "", address);
    return true;
  }

  /** Say that there is no answer, and offer to ask again; null: there is one. @param {(() => void) | null} again @param {Element} [changed] */
  #say(again, changed) {
    this.#again = again;
    if (changed instanceof HTMLElement) this.#changed = changed;
    document.getElementById("unanswered")?.toggleAttribute("hidden", !again);
    if (again) document.querySelector("[data-launch]")?.setAttribute("disabled", "");
  }

  /** The form's values as a query. */
  get query() {
    const own = ["csrfmiddlewaretoken", "idempotency_key"];
    const given = [...new FormData(this.#form)].filter(([name]) => !own.includes(name));
    return new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  }
}

/** Open a page; what has the focus here has it there. @param {string} address */
function go(address) {
  const id = document.activeElement?.id;
  location.assign(id ? `${address}#${id}` : address);
}

/** @param {EventTarget | null} node @returns {string} name of a control, "" for another node */
function nameOf(node) {
  const isControl =
    node instanceof HTMLInputElement || node instanceof HTMLSelectElement || node instanceof HTMLTextAreaElement;
  return isControl ? node.name : "";
}
