// @ts-check
/**
 * Screen reader messages of a log: state only, no lines, rate-limited; the last of several counts.
 * Pure except for the clock.
 */

const QUIET_MS = 5000;

export class LogSpeech {
  /**
   * @param {(text: string) => void} speak
   * @param {{now: () => number, later: (run: () => void, ms: number) => void}} clock
   */
  constructor(speak, clock = { now: () => performance.now(), later: (run, ms) => void setTimeout(run, ms) }) {
    this.speak = speak;
    this.clock = clock;
    this.last = "";
    this.lastAt = -Infinity;
    /** @type {string | null} */
    this.next = null;
  }

  /** @param {string} text */
  say(text) {
    const wait = this.lastAt + QUIET_MS - this.clock.now();
    if (this.next === null && wait > 0) this.clock.later(() => this.#out(), wait);
    this.next = text;
    if (wait <= 0) this.#out();
  }

  #out() {
    const text = this.next ?? "";
    this.next = null;
    this.lastAt = this.clock.now();
    if (text === this.last) return;
    this.last = text;
    this.speak(text);
  }
}
