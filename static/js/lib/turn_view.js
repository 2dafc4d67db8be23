// @ts-check
/** One turn in the page: reads its stream, shows reasoning and answer as they come. */

import { renderMarkdown } from "./markdown.js";
import { Gatherer } from "./reasoning.js";
import { EventDecoder } from "./sse.js";

const DRAW_MS = 60;
const RETRY_MS = [500, 1000, 2000, 4000];
const NEAR_END_PX = 80;

/**
 * @typedef {object} Surroundings
 * @property {string} relay where the relay's turns are
 * @property {Record<string, string>} csrf headers of a request that changes something
 * @property {import("./chat_state.js").StateLine} line
 */

export class TurnView {
  /**
   * @param {HTMLElement} element `.exchange`
   * @param {Surroundings} surroundings
   */
  constructor(element, surroundings) {
    this.element = element;
    this.surroundings = surroundings;
    this.thinks = element.hasAttribute("data-thinks");
    this.gatherer = new Gatherer();
    this.offset = 0;
    this.decoder = new EventDecoder();
    this.timer = 0;
    this.drawn = { reasoning: "", answer: "" };
    this.hasFolded = false;
  }

  /** @param {string} name @returns {HTMLElement} */
  part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-part=${name}]`));
  }

  /**
   * Follow the stream to its end, over lost connections.
   * @returns {Promise<string>} what went wrong between page and dashboard; "" when all is well
   */
  async follow() {
    this.surroundings.line.begin();
    for (let attempt = 0; ; attempt += 1) {
      const before = this.offset;
      try {
        const answer = await this.#read();
        if (answer) {
          this.surroundings.line.end();
          return answer;
        }
        break;
      } catch {
        if (this.offset > before) attempt = 0;
        if (attempt >= RETRY_MS.length) {
          this.surroundings.line.end();
          return gettext("The dashboard does not answer. Reload the page to see how far the answer came.");
        }
        this.surroundings.line.offline();
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS[attempt]));
      }
    }
    await this.#finish();
    return "";
  }

  /** End the engine's work. */
  async stop() {
    const { relay, csrf } = this.surroundings;
    await fetch(`${relay}${this.element.dataset.turn}/stop`, { method: "POST", headers: csrf });
  }

  /** One connection, from our offset. @returns {Promise<string>} why the dashboard refused; "" if it did not */
  async #read() {
    const { relay, csrf, line } = this.surroundings;
    const address = `${relay}${this.element.dataset.turn}/start?from=${this.offset}`;
    const response = await fetch(address, { method: "POST", headers: csrf });
    if (response.status === 409) return gettext("This deployment is not ready.");
    if (!response.ok || !response.body) return `${response.status} ${response.statusText}`;
    line.accepted(Number(response.headers.get("x-turn-age-ms") ?? 0));
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "";
      this.offset += value.byteLength;
      for (const payload of this.decoder.push(value)) this.gatherer.add(payload);
      line.arrived(this.gatherer, this.gatherer.parts(false, this.thinks));
      if (!this.timer) this.timer = window.setTimeout(() => this.#draw(false), DRAW_MS);
    }
  }

  /** @param {boolean} ended */
  #draw(ended) {
    const began = performance.now();
    const wasAtEnd = isAtEnd();
    const parts = this.gatherer.parts(ended, this.thinks);
    if (parts.reasoning !== this.drawn.reasoning) this.#drawReasoning(parts.reasoning);
    if (parts.answer !== this.drawn.answer) {
      if (parts.reasoning && !this.hasFolded) this.#fold();
      renderMarkdown(this.part("answer"), parts.answer);
    }
    this.drawn = parts;
    if (!ended && parts.reasoning) this.#summarise(parts.answer !== "");
    if (wasAtEnd) scrollToEnd();
    // Long answers take longer to draw: leave most of the time to the reader.
    const pause = Math.max(DRAW_MS, 4 * (performance.now() - began));
    clearTimeout(this.timer);
    this.timer = ended ? 0 : window.setTimeout(() => this.#drawIfNew(), pause);
  }

  #drawIfNew() {
    this.timer = 0;
    const parts = this.gatherer.parts(false, this.thinks);
    if (parts.answer !== this.drawn.answer || parts.reasoning !== this.drawn.reasoning) this.#draw(false);
  }

  /** @param {string} text */
  #drawReasoning(text) {
    const think = /** @type {HTMLDetailsElement} */ (this.part("think"));
    const body = this.part("reasoning");
    if (think.hidden) {
      think.hidden = false;
      think.open = true;
      think.classList.add("now");
    }
    const wasAtEnd = body.scrollTop + body.clientHeight >= body.scrollHeight - 24;
    const shown = body.textContent ?? "";
    // Append where it only grew: a selection in the text then stays.
    if (text.startsWith(shown)) body.append(text.slice(shown.length));
    else body.textContent = text;
    if (wasAtEnd) body.scrollTop = body.scrollHeight;
    body.classList.toggle("whole", body.scrollHeight <= body.clientHeight); // only what goes on above fades
  }

  #fold() {
    this.hasFolded = true;
    const fold = /** @type {HTMLInputElement | null} */ (document.getElementById("fold"));
    this.part("think").classList.remove("now");
    if (fold?.checked) this.part("think").removeAttribute("open");
  }

  /** @param {boolean} isOver */
  #summarise(isOver) {
    const seconds = this.surroundings.line.thinkingSeconds();
    const word = isOver ? gettext("Thought for") : gettext("Thinking");
    const summary = this.part("summary");
    const numbers = document.createElement("span");
    numbers.className = "num";
    numbers.textContent = interpolate(gettext("%(time)s s, %(n)s tokens"), { time: seconds.toFixed(1), n: this.gatherer.thoughts }, true);
    const mark = summary.querySelector("svg");
    summary.replaceChildren(...(mark ? [mark] : []), word, " ", numbers);
  }

  /** The turn's row has the last word: its numbers, and what went wrong. */
  async #finish() {
    clearTimeout(this.timer);
    this.#draw(true);
    this.part("think").classList.remove("now");
    this.surroundings.line.end();
    const response = await fetch(this.element.dataset.address ?? "");
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector("[data-turn]");
    if (!fresh) location.reload(); // logged out meanwhile: this is the login page
    const wasAtEnd = isAtEnd();
    for (const name of ["end", "summary"]) {
      const part = fresh?.querySelector(`[data-part=${name}]`);
      if (part) this.part(name).replaceWith(part);
    }
    const facts = page.querySelector("[data-facts]");
    if (facts instanceof HTMLTemplateElement) document.querySelector("[data-last-turn]")?.replaceChildren(facts.content);
    this.element.dataset.state = fresh?.getAttribute("data-state") ?? "done";
    if (wasAtEnd) scrollToEnd();
  }
}

/** Is the reader at the end of the page? Who is not stays where they are. */
function isAtEnd() {
  return window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - NEAR_END_PX;
}

function scrollToEnd() {
  window.scrollTo({ top: document.documentElement.scrollHeight });
}
