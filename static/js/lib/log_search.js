// @ts-check
/** A search through the whole log, by the server, and the place in it. Pure but for the fetch. */

import { pattern } from "./log_marks.js";

/**
 * @typedef {{total: number, lines: number, found: [number, number, number][]}} Answer
 *   `found`: line, offset, matches in it; the first lines only
 */

export class LogSearch {
  /** @param {(query: string) => Promise<Answer>} ask with the query string of the address */
  constructor(ask) {
    this.ask = ask;
    this.text = "";
    this.isRegex = false;
    this.error = "";
    /** @type {Answer} */
    this.answer = { total: 0, lines: 0, found: [] };
    this.at = -1; // which of the found matches is looked at
    this.round = 0;
  }

  get expression() {
    return pattern(this.text, this.isRegex);
  }

  /** Lines that match, ascending. */
  get lines() {
    return this.answer.found.map(([line]) => line);
  }

  /** The match that is looked at: its line, and which one in that line. @returns {{line: number, nth: number} | null} */
  get current() {
    let before = 0;
    if (this.at < 0) return null;
    for (const [line, , count] of this.answer.found) {
      if (this.at < before + count) return { line, nth: this.at - before };
      before += count;
    }
    return null;
  }

  /** Matches that can be walked through. */
  get reachable() {
    return this.answer.found.reduce((sum, [, , count]) => sum + count, 0);
  }

  /**
   * Ask the server. The newest question wins.
   * @param {string} text @param {boolean} isRegex
   * @returns {Promise<boolean>} false: a newer question has been asked meanwhile
   */
  async run(text, isRegex) {
    this.round += 1;
    const round = this.round;
    const isSame = text === this.text && isRegex === this.isRegex;
    const query = new URLSearchParams({ q: text, regex: isRegex ? "1" : "0", limit: "5000" });
    /** @type {Answer} */
    let answer = { total: 0, lines: 0, found: [] };
    let error = "";
    if (text) {
      try {
        answer = await this.ask(query.toString());
      } catch (failure) {
        error = failure instanceof Error ? failure.message : String(failure);
      }
    }
    if (round !== this.round) return false;
    Object.assign(this, { text, isRegex, answer, error });
    if (!isSame) this.at = -1;
    return true;
  }

  /**
   * Go to the next match or the one before; the first time to one at or after `line`.
   * @param {number} step 1 or -1
   * @param {number} line
   */
  walk(step, line) {
    const all = this.reachable;
    if (!all) return;
    if (this.at >= 0) {
      this.at = (this.at + step + all) % all;
      return;
    }
    let before = 0;
    this.at = step > 0 ? 0 : all - 1;
    for (const [found, , count] of this.answer.found) {
      if (found >= line) {
        this.at = step > 0 ? before : (before - 1 + all) % all;
        return;
      }
      before += count;
    }
  }
}
