// @ts-check
/** Search of the whole log by the server, and the position in it. Pure except for the fetch. */

import { firstWhere } from "./first.js";

const LIMIT = 5000; // max matching lines per answer
const END = 999_999_999_999_999; // behind any line

/**
 * @typedef {{total: number, lines: number, before: number, found: [number, number, number][],
 *   spread: [number, boolean][]}} Answer
 *   `found`: line, offset, matches in it, of some lines; `before`: matches before them; `spread`: lines
 *   from all parts of the log
 */

/** @type {Answer} */
const NOTHING = { total: 0, lines: 0, before: 0, found: [], spread: [] };

export class LogSearch {
  /** @param {(query: string, signal: AbortSignal) => Promise<Answer>} ask with the query string of the address */
  constructor(ask) {
    this.ask = ask;
    this.text = "";
    this.isRegex = false;
    this.error = "";
    this.answer = NOTHING;
    this.at = -1; // index of the current match
    this.round = new AbortController(); // of the newest query, which ends the one before
    /** @type {Answer | null} what `sums` are of */
    this.summed = null;
    /** @type {number[]} */
    this.sums = [];
  }

  /** Known matching lines, ascending. */
  get lines() {
    return this.answer.found.map(([line]) => line);
  }

  /** The match that is looked at: its line, and which one in that line. @returns {{line: number, nth: number} | null} */
  get current() {
    let before = this.answer.before;
    if (this.at < before) return null;
    for (const [line, , count] of this.answer.found) {
      if (this.at < before + count) return { line, nth: this.at - before };
      before += count;
    }
    return null;
  }

  /** How many matches lines `from` to `to` have; null: not all matches are known. @param {number} from @param {number} to */
  countIn(from, to) {
    if (!this.text || this.error) return null;
    if (this.summed !== this.answer) {
      this.summed = this.answer;
      this.sums = [0]; // matches before each known line
      for (const [, , count] of this.answer.found) this.sums.push(this.sums[this.sums.length - 1] + count);
    }
    const { found, total } = this.answer;
    if (this.sums[found.length] !== total) return null;
    const before = (/** @type {number} */ line) => this.sums[firstWhere(found.length, (at) => found[at][0] >= line)];
    return before(to + 1) - before(from);
  }

  /** Number of known matches. */
  get #knownCount() {
    return this.answer.found.reduce((sum, [, , count]) => sum + count, 0);
  }

  /**
   * Query the server. The newest query wins.
   * @param {string} text @param {boolean} isRegex
   * @returns {Promise<boolean>} false: a newer question has been asked meanwhile
   */
  async run(text, isRegex) {
    const isSame = text === this.text && isRegex === this.isRegex;
    const near = isSame ? (this.current?.line ?? 0) : 0;
    if (!(await this.#page(text, isRegex, near))) return false;
    if (!isSame) this.at = -1;
    return true;
  }

  /** @param {string} text @param {boolean} isRegex @param {number} near */
  async #page(text, isRegex, near) {
    this.round.abort();
    const round = (this.round = new AbortController());
    const query = new URLSearchParams({ q: text, regex: isRegex ? "1" : "0", limit: String(LIMIT), near: String(near) });
    let answer = NOTHING;
    let error = "";
    if (text) {
      try {
        answer = await this.ask(query.toString(), round.signal);
      } catch (failure) {
        error = failure instanceof Error ? failure.message : String(failure);
      }
    }
    if (round !== this.round) return false;
    Object.assign(this, { text, isRegex, answer, error });
    return true;
  }

  /**
   * Go to the next or previous match; first to one at or after `line`. Wraps around.
   * @param {number} step 1 or -1
   * @param {number} line
   */
  async walk(step, line) {
    if (!this.answer.total) return;
    if (this.at < 0) {
      await this.#start(step, line);
      return;
    }
    const { total, before, found } = this.answer;
    const wanted = (this.at + step + total) % total;
    if (wanted < before || wanted >= before + this.#knownCount) {
      const beside = step > 0 ? found[found.length - 1][0] + 1 : found[0][0];
      const near = wanted === 0 ? 1 : wanted === total - 1 ? END : beside;
      if (!(await this.#page(this.text, this.isRegex, near))) return;
    }
    this.at = wanted;
  }

  /** @param {number} step @param {number} line */
  async #start(step, line) {
    const isAll = this.#knownCount === this.answer.total;
    if (!isAll && !(await this.#page(this.text, this.isRegex, Math.max(1, line)))) return;
    let { before } = this.answer;
    const { total, found } = this.answer;
    for (const [at, , count] of found) {
      if (at >= line) break;
      before += count;
    }
    const wanted = step > 0 ? before % total : (before - 1 + total) % total;
    if (wanted < this.answer.before || wanted >= this.answer.before + this.#knownCount) {
      if (!(await this.#page(this.text, this.isRegex, step > 0 ? 1 : END))) return;
    }
    this.at = wanted;
  }
}
