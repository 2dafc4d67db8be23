// @ts-check
/**
 * Matches in visible lines. Plain text is matched directly; expressions in a worker, which is
 * terminated on timeout: the page never blocks, and marks are then missing.
 */

import { pattern, ranges } from "./log_marks.js";

const PATIENCE_MS = 1000;
const MOST_KEPT = 4000;

/** @typedef {import("./log_marks.js").Range} Range */

export class LogMatcher {
  /**
   * @param {() => void} onFound marks have come
   * @param {() => Worker} makeWorker
   */
  constructor(onFound, makeWorker) {
    this.onFound = onFound;
    this.makeWorker = makeWorker;
    this.text = "";
    this.isRegex = false;
    this.version = 0; // increases when marks may change
    /** @type {Map<string, Range[]>} by line */
    this.known = new Map();
    /** @type {Set<string>} lines to be looked at */
    this.wanted = new Set();
    /** @type {Worker | null} */
    this.worker = null;
    this.isBusy = false;
    this.isTooSlow = false;
  }

  /** @param {string} text @param {boolean} isRegex */
  setText(text, isRegex) {
    if (text === this.text && isRegex === this.isRegex) return;
    Object.assign(this, { text, isRegex, isTooSlow: false });
    this.#forget();
    this.version += 1;
  }

  /** Where a line matches, as far as it is known. @param {string} line @returns {Range[]} */
  find(line) {
    if (!this.text || this.isTooSlow) return [];
    if (!this.isRegex) return ranges(line, pattern(this.text, false));
    const known = this.known.get(line);
    if (known) return known;
    this.wanted.add(line);
    this.#ask();
    return [];
  }

  #forget() {
    this.worker?.terminate();
    this.worker = null;
    this.isBusy = false;
    this.known.clear();
    this.wanted.clear();
  }

  #ask() {
    if (this.isBusy) return;
    this.isBusy = true;
    queueMicrotask(() => this.#send());
  }

  #send() {
    const lines = [...this.wanted];
    this.wanted.clear();
    if (!lines.length || !pattern(this.text, true)) {
      this.isBusy = false;
      return;
    }
    const worker = (this.worker ??= this.makeWorker());
    const timer = setTimeout(() => {
      if (worker !== this.worker) return;
      this.#forget();
      this.isTooSlow = true;
    }, PATIENCE_MS);
    const heard = (/** @type {MessageEvent} */ { data }) => {
      clearTimeout(timer);
      if (worker !== this.worker) return;
      if (this.known.size > MOST_KEPT) this.known.clear();
      lines.forEach((line, i) => this.known.set(line, data[i]));
      this.isBusy = false;
      this.version += 1;
      if (this.wanted.size) this.#ask();
      this.onFound();
    };
    worker.addEventListener("message", heard, { once: true });
    worker.postMessage({ text: this.text, isRegex: true, lines }, []);
  }
}
