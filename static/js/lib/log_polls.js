// @ts-check
/**
 * Lines of a server's log that are the dashboard's own requests: they have no row while the filter is
 * on. The server finds them (jobs/logstore/polls.py), from where it left off.
 */

const EVERY_MS = 2000;
const KEPT = "log-polls"; // in the browser: "no" once somebody wants to see them

/** @typedef {[number, number]} Range first and last line */
/** @typedef {{to: number, ranges: Range[], done: boolean}} Answer */

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
    this.to = 0; // bytes that were looked at
    this.askAt = 0;
    this.isAsking = false;
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

  /** Look at what came since, soon, and not too often. */
  async refresh() {
    if (this.isAsking || Date.now() < this.askAt || document.hidden) return;
    this.isAsking = true;
    for (let isOn = true; isOn; ) {
      const answer = await this.fetchPolls(`from=${this.to}`).catch(() => null);
      if (!answer) break;
      this.take(answer);
      isOn = !answer.done;
    }
    this.askAt = Date.now() + EVERY_MS;
    this.isAsking = false;
  }

  /** @param {Answer} answer */
  take({ to, ranges }) {
    this.to = Math.max(to, this.to);
    for (const [from, last] of ranges) {
      const before = this.ranges.at(-1);
      this.lines += last - from + 1;
      if (before && from === before[1] + 1) before[1] = last;
      else this.ranges.push([from, last]);
    }
    if (ranges.length) this.onNews();
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
  const found = [];
  let [i, j] = [0, 0];
  while (i < some.length || j < others.length) {
    const isFirst = j >= others.length || (i < some.length && some[i][0] <= others[j][0]);
    const [from, to] = isFirst ? some[i++] : others[j++];
    const last = found.at(-1);
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else found.push([from, to]);
  }
  return found;
}
