// @ts-check
/**
 * Lines without a row, because others overwrite them: parallel progress bars take one row each.
 * The server emulates the terminal (jobs/logstore/terminal.py); this holds its answer. Pure.
 */

import { firstWhere } from "./first.js";

/**
 * @typedef {[number, number, string[]]} Fold first line, the line whose number the row has, its texts
 * @typedef {{series: string, known: number, to: number, lines: number, done: boolean, full?: boolean,
 *   folds: Fold[], open: Fold[]}} Answer
 * @typedef {{texts: string[] | null, folded: number, isOpen: boolean}} Shown
 *   `texts` null: the line itself; `folded`: how many lines the row stands for besides, or begin here
 *   unfolded
 */

/** @type {Shown} */
const ITSELF = { texts: null, folded: 0, isOpen: false };

export class LogFolds {
  constructor() {
    this.series = "";
    /** @type {Fold[]} ascending; those that may change still are the last `openCount` */
    this.folds = [];
    this.openCount = 0;
    this.to = 0; // checked bytes
    this.lines = 0; // and lines
    this.isDone = false; // all known bytes were checked once
    this.isWhole = false; // by the last answer, too
    this.isFull = false; // too many: nothing after `to` is folded
    /** @type {Set<number>} first lines of the rows that are unfolded */
    this.opened = new Set();
    this.wanted = 0; // a line to unfold once its fold is known
  }

  /** Return the next request to the server. */
  get query() {
    return `series=${this.series}&known=${this.folds.length - this.openCount}`;
  }

  /** @param {Answer} answer */
  take({ series, known, to, lines, done, full = false, folds, open }) {
    this.folds = [...this.folds.slice(0, Math.min(known, this.folds.length - this.openCount)), ...folds, ...open];
    this.openCount = open.length;
    Object.assign(this, { series, to, lines });
    this.isDone ||= done;
    this.isWhole = done;
    this.isFull = full;
    if (this.wanted) this.reveal(this.wanted);
  }

  /** Whether bars have drawn that are not known yet, but will be. @param {number} movedAt how far they did, in bytes */
  isBehind(movedAt) {
    return this.isDone && !this.isFull && movedAt > this.to;
  }

  /** Lines without a row: ranges, ascending. @returns {[number, number][]} */
  hidden() {
    /** @type {[number, number][]} */
    const ranges = [];
    for (const [first, line] of this.folds) {
      if (first < line && !this.opened.has(first)) ranges.push([first, line - 1]);
    }
    return ranges;
  }

  /** What is shown at a line that has a row. @param {number} line @returns {Shown} */
  at(line) {
    const fold = this.#foldOf(line);
    if (!fold) return ITSELF;
    const [first, last, texts] = fold;
    const isOpen = this.opened.has(first);
    if (isOpen) return line === first ? { texts: null, folded: last - first, isOpen } : ITSELF;
    return { texts, folded: last - first, isOpen };
  }

  /**
   * Toggle the fold of a row.
   * @param {number} line any line of it
   * @returns {number} the line that says so now: the first one of what is unfolded
   */
  toggle(line) {
    const fold = this.#foldOf(line);
    if (!fold) return line;
    const [first, last] = fold;
    if (this.opened.delete(first)) return last;
    this.opened.add(first);
    return first;
  }

  /** Show a line itself, even if it was drawn over. @param {number} line */
  reveal(line) {
    this.wanted = line > this.lines ? line : 0;
    const fold = this.#foldOf(line);
    if (fold && (line < fold[1] || fold[2].length > 1)) this.opened.add(fold[0]);
  }

  /** The fold that a line belongs to. @param {number} line */
  #foldOf(line) {
    const fold = this.folds[firstWhere(this.folds.length, (at) => this.folds[at][1] >= line)];
    return fold && fold[0] <= line ? fold : null;
  }
}
