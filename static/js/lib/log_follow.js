// @ts-check
/**
 * Follow mode of a log: the pill, the count of new lines, and screen reader messages.
 */

import { elapsed } from "./formats.js";
import { pillWords, stateWords } from "./log_words.js";

const NEWS_EVERY_MS = 20_000; // interval of screen reader messages on new lines

/** @typedef {"live" | "waiting" | "over"} State of the log: waiting is "disconnected, retrying" */

export class LogFollow {
  /**
   * @param {HTMLElement} panel
   * @param {object} log
   * @param {import("./log_rows.js").LogRows} log.rows
   * @param {import("./log_scroll.js").LogScroll} log.scroll
   * @param {import("./log_speech.js").LogSpeech} log.speech
   * @param {() => number} log.lines
   * @param {() => number} log.unheard lines among them that are no news to anybody
   */
  constructor(panel, { rows, scroll, speech, lines, unheard }) {
    this.panel = panel;
    this.button = /** @type {HTMLButtonElement} */ (panel.querySelector('[data-do="follow"]'));
    this.pillText = /** @type {HTMLElement} */ (panel.querySelector('[data-log="pill"]'));
    this.rows = rows;
    this.scroll = scroll;
    this.speech = speech;
    this.lines = lines;
    this.unheard = unheard;
    this.isOn = true;
    /** @type {State} */
    this.state = "live";
    this.seenLines = 0;
    this.newsAt = 0;
  }

  get isOver() {
    return this.state === "over";
  }

  /** Go to the end and follow. */
  start() {
    if (!this.isOn && !this.isOver) this.speech.say(gettext("Following"));
    this.isOn = true;
    this.scroll.showEnd();
  }

  /** Stop following. */
  stop() {
    if (this.isOn) {
      this.seenLines = this.#news;
      this.scroll.release();
      if (!this.isOver) this.speech.say(gettext("Paused"));
    }
    this.isOn = false;
  }

  /** @param {State} state @param {number} detail milliseconds until it is tried again */
  setState(state, detail) {
    const before = this.state;
    this.state = state;
    this.panel.dataset.logState = state;
    const wait = { wait: elapsed(Math.ceil(detail / 1000)) };
    this.button.title = state === "waiting" ? interpolate(gettext("disconnected, retrying in %(wait)s"), wait, true) : "";
    if (state !== before) this.speech.say(stateWords(state));
  }

  /** Update the pill. */
  draw() {
    if (this.#seesEnd) this.seenLines = this.#news;
    const fresh = Math.max(0, this.#news - this.seenLines);
    this.button.hidden = !this.lines() || !this.rows.count || (this.isOver && this.scroll.isAtEnd);
    this.button.classList.toggle("off", !this.isOn && !fresh);
    this.panel.toggleAttribute("data-log-read", !this.isOn);
    this.pillText.textContent = pillWords(this.state, this.isOn, fresh);
    if (!this.isOn && fresh && Date.now() > this.newsAt) {
      this.newsAt = Date.now() + NEWS_EVERY_MS;
      this.speech.say(pillWords(this.state, false, fresh));
    }
  }

  /** Lines added since the last visit of the end. */
  get #news() {
    return this.lines() - this.unheard();
  }

  /** Return true if the last line is visible and its step unfolded. */
  get #seesEnd() {
    if (!this.rows.count || this.rows.only || !this.scroll.isAtEnd) return false;
    const last = this.rows.at(this.rows.count - 1);
    return "line" in last || this.rows.linesOf(last.group)[0] > this.rows.lineCount;
  }
}
