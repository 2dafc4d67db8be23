// @ts-check
/** The line above the message: what happens now, for how long. Spoken once a change, never by the clock. */

import { duration } from "./formats.js";

const STALLED_MS = 8000;
const TICK_MS = 100;
const RATED_MS = 500; // a rate of less says nothing

/**
 * Where a stream is, in milliseconds by its own clock; null: not known, or not yet.
 * @typedef {object} Progress
 * @property {"prefill" | "thinking" | "answering"} state
 * @property {number} age
 * @property {number | null} first of the first token
 * @property {number | null} answer of the answer's first token
 * @property {number | null} last of the last token
 * @property {number} deltas pieces that came
 * @property {number} tokens by the engine's own count; 0: it gave none
 * @property {number | null} repeats since when the text repeats itself
 */

/**
 * Tokens a second: the first piece had come when the clock began.
 * @param {Progress} now
 * @returns {number | null}
 */
export function rateOf({ first, last, deltas, tokens }) {
  if (first === null || last === null || last - first < RATED_MS || deltas < 2) return null;
  return ((tokens || deltas) * (1 - 1 / deltas) * 1000) / (last - first);
}

export class StateLine {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.word = /** @type {HTMLElement} */ (element.querySelector("[data-word]"));
    this.clock = /** @type {HTMLElement} */ (element.querySelector("[data-clock]"));
    this.detail = /** @type {HTMLElement} */ (element.querySelector("[data-detail]"));
    this.loop = /** @type {HTMLElement | null} */ (element.querySelector("[data-loop]"));
    this.ticker = 0;
    this.state = "";
    this.began = 0;
    /** @type {() => Progress | null} */
    this.look = () => null;
  }

  /** A question is on its way. @param {() => Progress | null} look where its stream is; null before it began */
  begin(look) {
    this.look = look;
    this.state = "";
    this.element.hidden = false;
    this.#enter("queued");
    clearInterval(this.ticker);
    this.ticker = window.setInterval(() => this.tick(), TICK_MS);
  }

  /** The connection to the dashboard is lost; it is tried again. */
  offline() {
    this.look = () => null;
    this.#enter("offline");
  }

  /** There is a connection again. @param {() => Progress | null} look */
  online(look) {
    this.look = look;
    this.tick();
  }

  end() {
    clearInterval(this.ticker);
    this.#showLoop("");
    this.element.hidden = true;
  }

  /** @param {string} state */
  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.began = performance.now();
    this.word.textContent = wordOf(state);
    const announcer = document.getElementById("announcer");
    if (announcer) announcer.textContent = [this.element.dataset.name, wordOf(state)].filter(Boolean).join(": ");
  }

  /** @param {string} text that the answer repeats itself; "" if it does not */
  #showLoop(text) {
    if (!this.loop) return;
    const announcer = document.getElementById("announcer");
    if (announcer && text && this.loop.hidden) announcer.textContent = text;
    this.loop.hidden = !text;
    const word = this.loop.querySelector("[data-loop-word]");
    if (word) word.textContent = text;
  }

  tick() {
    const now = this.look();
    const loopS = now && now.repeats !== null ? Math.round((now.age - now.repeats) / 1000) : null;
    this.#showLoop(loopS === null ? "" : interpolate(gettext("Repeats itself since %(time)s s."), { time: loopS }, true));
    if (!now) {
      this.clock.textContent = `${((performance.now() - this.began) / 1000).toFixed(1)} s`;
      this.detail.textContent = "";
      return;
    }
    const isStalled = now.last !== null && now.age - now.last > STALLED_MS;
    this.#enter(isStalled ? "stalled" : now.state);
    const since = { prefill: 0, thinking: now.first, answering: now.answer }[now.state];
    const from = isStalled ? now.last : since;
    this.clock.textContent = from === null ? "" : `${(Math.max(0, now.age - from) / 1000).toFixed(1)} s`;
    this.detail.textContent = details(now).join(" · ");
  }
}

/** @param {Progress} now */
function details(now) {
  const parts = [];
  if (now.first !== null) {
    parts.push(interpolate(gettext("TTFT %(time)s"), { time: duration(now.first / 1000) }, true));
  }
  // Without the engine's own count pieces are counted, and a piece may be of several tokens.
  const about = now.tokens ? "" : "≈ ";
  const rate = rateOf(now);
  if (rate !== null) parts.push(`${about}${rate.toFixed(1)} tok/s`);
  const n = now.tokens || now.deltas;
  if (n) parts.push(about + interpolate(ngettext("%(n)s token", "%(n)s tokens", n), { n }, true));
  return parts;
}

/** @param {string} state */
function wordOf(state) {
  if (state === "queued") return gettext("queued");
  if (state === "prefill") return gettext("processing the prompt");
  if (state === "thinking") return gettext("thinking");
  if (state === "answering") return gettext("answering");
  if (state === "offline") return gettext("connection lost, reconnecting");
  return gettext("stalled: no new tokens");
}
