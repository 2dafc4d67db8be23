// @ts-check
/** Lines without a row: overwritten progress bars, or the dashboard's own requests. */

import { LogPolls } from "./log_polls.js";
import { pollWords } from "./log_words.js";

export class LogHidden {
  /**
   * @param {HTMLElement} panel
   * @param {import("./log_rows.js").LogRows} rows
   * @param {import("./log_folds.js").LogFolds} folds
   * @param {(path: string) => Promise<any>} ask
   * @param {() => void} onNews
   */
  constructor(panel, rows, folds, ask, onNews) {
    this.rows = rows;
    this.folds = folds;
    this.onNews = onNews;
    this.button = /** @type {HTMLButtonElement | null} */ (panel.querySelector('[data-do="polls"]'));
    // Only server logs have them.
    this.polls = this.button ? new LogPolls((query) => ask(`/polls?${query}`), () => this.came()) : null;
  }

  /** Own requests so far: not counted as new lines. */
  get requests() {
    return this.polls?.lines ?? 0;
  }

  /** How many of the lines that there are can be shown by now. @param {number} lines */
  shown(lines) {
    return this.polls?.shown(lines) ?? lines;
  }

  /** Pass lines without a row to the rows. */
  arrange() {
    const folded = this.folds.hidden();
    this.rows.setHidden(this.polls ? this.polls.hiddenWith(folded) : folded);
  }

  /** Update after new folds or requests. */
  came() {
    this.arrange();
    this.#say();
    this.onNews();
  }

  /** Show a line itself. @param {number} line */
  reveal(line) {
    this.folds.reveal(line);
    this.polls?.reveal(line);
    this.arrange();
  }

  /** Show the dashboard's own requests, or hide them again. @param {number} line @returns the same line */
  toggle(line) {
    this.polls?.toggle();
    this.arrange();
    this.#say();
    return line;
  }

  /** Look at what came since. @param {number} size of the log, bytes */
  async refresh(size) {
    if (this.polls && size > this.polls.to) await this.polls.refresh();
  }

  /** Show the number of hidden lines. */
  #say() {
    if (this.polls && this.button) pollWords(this.button, this.polls);
  }
}
