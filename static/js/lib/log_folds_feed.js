// @ts-check
/** Asks the server how bars were drawn, in parts, and no more often than is good for it. */

const EVERY_MS = 250;
const AGAIN_MS = 3000; // after no answer
const SHARE = 10; // at most a tenth of the time goes into asking

export class LogFoldsFeed {
  /**
   * @param {import("./log_folds.js").LogFolds} folds
   * @param {(query: string) => Promise<import("./log_folds.js").Answer>} fetchFolds
   * @param {() => void} onNews
   */
  constructor(folds, fetchFolds, onNews) {
    this.folds = folds;
    this.fetchFolds = fetchFolds;
    this.onNews = onNews;
    this.askAt = 0;
    this.isWaiting = false;
  }

  /** Ask until all is known. Without an answer every line has its row. */
  async ask() {
    for (let isOn = true; isOn; ) {
      const before = this.folds.to;
      const answer = await this.fetchFolds(this.folds.query).catch(() => null);
      if (!answer) {
        this.folds.isDone = false;
        return;
      }
      this.folds.take(answer);
      this.onNews();
      // Of a log that grows the rest comes with the next look.
      isOn = !answer.done && !this.folds.isDone && (answer.to > before || answer.folds.length > 0);
    }
  }

  /** Ask soon, if nobody does. */
  async refresh() {
    if (this.isWaiting || this.folds.isFull || document.hidden) return;
    this.isWaiting = true;
    const wait = this.askAt - Date.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const began = Date.now();
    await this.ask();
    const pause = this.folds.isDone ? Math.max(EVERY_MS, SHARE * (Date.now() - began)) : AGAIN_MS;
    this.askAt = Date.now() + pause;
    this.isWaiting = false;
    this.onNews();
  }
}
