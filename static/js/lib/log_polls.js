// @ts-check
/**
 * Own requests of the dashboard in a server's log: no row while the filter is on. The server finds
 * them incrementally (jobs/logstore/search.py).
 */

const EVERY_MS = 500;
const KEPT = "log-polls"; // stored in the browser: "no" shows them

/** @typedef {[number, number]} Range first and last line */
/** @typedef {{to: number, ranges: Range[], done: boolean, lines: number}} Answer */

export class LogPolls {
  /**
   * @param {(query: string) => Promise<Answer>} fetchPolls
   * @param {() => void} onNews
   */
  constructor(fetchPolls, onNews) {
    this.fetchPolls = fetchPolls;
    this.onNews = onNews;
    this.isOn = localStorage.getItem(KEPT) !== "no";
    /** @type {Range[]} ascending */
    this.ranges = [];
    this.lines = 0; // in all ranges
    this.to = 0; // checked bytes
    this.looked = 0; // checked lines
    this.isHeard = false; // the last request was answered
    this.askAt = 0;
    this.isAsking = false;
    this.isDue = false; // more arrived during the request
    this.isTimed = false;
    /** @type {Set<number>} lines that a person wants to see all the same */
    this.revealed = new Set();
  }

  toggle() {
    this.isOn = !this.isOn;
    localStorage.setItem(KEPT, this.isOn ? "yes" : "no");
  }

  /** Show a line itself. @param {number} line */
  reveal(line) {
    if (this.isOn && this.ranges.some(([from, to]) => from <= line && line <= to)) this.revealed.add(line);
  }

  /** Schedule a check of new bytes, rate-limited. */
  async refresh() {
    if (document.hidden) return;
    this.isDue = this.isAsking;
    if (this.isAsking) return;
    const waitMs = this.askAt - Date.now();
    if (waitMs > 0) {
      this.#later(waitMs);
      return;
    }
    this.isAsking = true;
    for (let isOn = true; isOn; ) {
      const answer = await this.fetchPolls(`from=${this.to}`).catch(() => null);
      this.isHeard = answer !== null;
      if (!answer) break;
      this.take(answer);
      isOn = !answer.done;
    }
    this.askAt = Date.now() + EVERY_MS;
    this.isAsking = false;
    if (this.isDue) this.#later(EVERY_MS);
  }

  /** Look again then: what came meanwhile has no row before. @param {number} ms */
  #later(ms) {
    if (this.isTimed) return;
    this.isTimed = true;
    setTimeout(() => {
      this.isTimed = false;
      this.refresh();
    }, ms);
  }

  /** @param {Answer} answer */
  take({ to, ranges, lines }) {
    const isNews = ranges.length > 0 || lines > this.looked;
    this.to = Math.max(to, this.to);
    this.looked = Math.max(lines, this.looked);
    for (const [from, last] of ranges) {
      const before = this.ranges.at(-1);
      this.lines += last - from + 1;
      if (before && from === before[1] + 1) before[1] = last;
      else this.ranges.push([from, last]);
    }
    if (isNews) this.onNews();
  }

  /**
   * How many lines to show: while requests are hidden none before it is known to be none of them, or
   * it would come and go. @param {number} lines that there are
   */
  shown(lines) {
    return this.isOn && this.isHeard ? Math.min(lines, this.looked) : lines;
  }

  /** Lines without a row: these and `others`, ascending. @param {Range[]} others @returns {Range[]} */
  hiddenWith(others) {
    return this.isOn ? merged(without(this.ranges, this.revealed), others) : others;
  }
}

/**
 * Ranges without some lines.
 * @param {Range[]} ranges @param {Set<number>} lines
 * @returns {Range[]}
 */
export function without(ranges, lines) {
  if (!lines.size) return ranges;
  const out = [...lines].toSorted((a, b) => a - b);
  return ranges.flatMap(([from, to]) => {
    /** @type {Range[]} */
    const parts = [];
    let next = from;
    for (const line of out) {
      if (line < next || line > to) continue;
      if (line > next) parts.push([next, line - 1]);
      next = line + 1;
    }
    return next <= to ? [...parts, /** @type {Range} */ ([next, to])] : parts;
  });
}

/**
 * Both in one, ascending, no two of them touching.
 * @param {Range[]} some @param {Range[]} others both ascending
 * @returns {Range[]}
 */
export function merged(some, others) {
  /** @type {Range[]} */
  const union = [];
  let [i, j] = [0, 0];
  while (i < some.length || j < others.length) {
    const isFirst = j >= others.length || (i < some.length && some[i][0] <= others[j][0]);
    const [from, to] = isFirst ? some[i++] : others[j++];
    const last = union.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else union.push([from, to]);
  }
  return union;
}
