// @ts-check

const FIRST_MS = 80; // hints come in groups

/** When an address is asked: soon after a hint, not before its rest is over, one request at a time. */
export class Asks {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #due = Infinity;
  #isBusy = false;
  #restAfter = Infinity; // the shortest rest of the hints that came while a request was under way
  last = 0; // when the last answer came, milliseconds

  /**
   * @param {() => Promise<void>} ask
   * @param {() => number} nowMs
   */
  constructor(ask, nowMs = () => performance.now()) {
    this.ask = ask;
    this.nowMs = nowMs;
  }

  /** @param {number} rest milliseconds since the last answer */
  soon(rest) {
    if (this.#isBusy) {
      this.#restAfter = Math.min(this.#restAfter, rest);
      return;
    }
    const due = Math.max(this.nowMs() + FIRST_MS, this.last + rest);
    if (due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.now(), due - this.nowMs());
  }

  async now() {
    clearTimeout(this.#timer);
    this.#due = Infinity;
    this.#isBusy = true;
    try {
      await this.ask();
    } finally {
      this.#isBusy = false;
      this.last = this.nowMs();
      const rest = this.#restAfter;
      this.#restAfter = Infinity;
      if (rest < Infinity) this.soon(rest);
    }
  }
}
