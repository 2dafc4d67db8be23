// @ts-check
/** Warning and error lines, found by the server in the whole log and updated as it grows. */

import { firstWhere } from "./first.js";

const EVERY_MS = 3000;
const SHARE = 20; // searches take at most a twentieth of the time

/** @typedef {import("./log_search.js").Answer} Answer */

export class LogWarnings {
  /** @param {() => Promise<Answer>} ask @param {() => void} onDue a look may be wanted by now */
  constructor(ask, onDue) {
    this.ask = ask;
    this.onDue = onDue;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {Answer | null} */
    this.answer = null;
    this.dueAt = 0;
    this.size = -1; // searched log size
  }

  /** Known lines, ascending. */
  get lines() {
    return (this.answer?.found ?? []).map(([line]) => line);
  }

  /** True when it is time to look through a log of this size; else `onDue` is called then. @param {number} size */
  isDue(size) {
    if (size === this.size || this.dueAt === Infinity) return false;
    const wait = this.dueAt - Date.now();
    if (wait <= 0) return true;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.onDue();
    }, wait);
    return false;
  }

  /**
   * Search again if the log has grown.
   * @param {number} size of the log, bytes
   * @returns {Promise<boolean>} false: nothing new is known
   */
  async refresh(size) {
    if (this.size === size) return false;
    this.size = size;
    const began = Date.now();
    this.dueAt = Infinity;
    const answer = await this.ask().catch(() => null);
    this.dueAt = Date.now() + Math.max(EVERY_MS, SHARE * (Date.now() - began));
    if (answer) this.answer = answer;
    return Boolean(answer);
  }

  /**
   * Return the next or previous such line, wrapping around; 0: none.
   * @param {number} step 1 or -1 @param {number} here a line, which is passed over
   */
  next(step, here) {
    const { lines } = this;
    if (!lines.length) return 0;
    const at = step > 0 ? firstWhere(lines.length, (i) => lines[i] > here) : firstWhere(lines.length, (i) => lines[i] >= here) - 1;
    return lines[(at + lines.length) % lines.length];
  }
}
