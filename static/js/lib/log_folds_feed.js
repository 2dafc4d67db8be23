// @ts-check
/** Requests folds of progress bars from the server, in parts and rate-limited. */

const EVERY_MS = 250;
const AGAIN_MS = 3000; // after a failed request
const SHARE = 10; // requests take at most a tenth of the time, half of it while they are behind

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

  /** Request until complete. Without an answer, every line has a row. */
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
      // A growing log gets the rest with the next request.
      isOn = !answer.done && !this.folds.isDone && (answer.to > before || answer.folds.length > 0);
    }
  }

  /** Schedule a request, if none is pending. */
  async refresh() {
    if (this.isWaiting || this.folds.isFull || document.hidden) return;
    this.isWaiting = true;
    const wait = this.askAt - Date.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const began = Date.now();
    await this.ask();
    const share = this.folds.isWhole ? SHARE : 1;
    const pause = this.folds.isDone ? Math.max(EVERY_MS, share * (Date.now() - began)) : AGAIN_MS;
    this.askAt = Date.now() + pause;
    this.isWaiting = false;
    this.onNews();
  }
}
