// @ts-check
/**
 * Which lines of a log are shown, where lines draw over others: at most one row for all that was
 * drawn at one place. Looked at block by block, so that any part of a long log needs only itself;
 * what draws over a line of another block stands below it.
 */

import { drawn } from "./log_redraw.js";

const MOST_BLOCKS = 128;

/** @typedef {import("./log_redraw.js").Row} Row */

export class LogFolds {
  /**
   * @param {import("./log_bytes.js").LogBytes} bytes
   * @param {(number: number) => {text: string} | null} lineOf null: not here yet
   */
  constructor(bytes, lineOf) {
    this.bytes = bytes;
    this.lineOf = lineOf;
    /** @type {number[]} lines that begin a step: nothing draws over a line of the step before */
    this.begins = [];
    /** @type {Map<number, {end: number, rows: Row[] | null}>} by block */
    this.known = new Map();
    /** @type {Set<number>} first lines of the rows that are unfolded */
    this.opened = new Set();
    /** @type {Set<number>} lines that are to be seen themselves, once it is known what hides them */
    this.wanted = new Set();
  }

  /** @param {number[]} lines ascending */
  setBegins(lines) {
    if (String(lines) === String(this.begins)) return;
    this.begins = lines;
    this.known.clear();
  }

  /** Show a line itself, even if it was drawn over. @param {number} line */
  reveal(line) {
    this.wanted.add(line);
  }

  /**
   * Unfold what a row stands for, or fold it again.
   * @param {number} line any line of it
   * @returns {number} the line that says so now: the first one of what is unfolded
   */
  toggle(line) {
    const rows = this.#rows(line);
    const row = rows?.[indexAt(rows, line)];
    if (!row) return line;
    if (this.opened.delete(row.from)) return row.line;
    this.opened.add(row.from);
    return row.from;
  }

  /**
   * What is shown at a line.
   * @param {number} line one that is here
   * @param {string} text of it
   * @returns {{texts: string[], redraws: number | null, isOpen: boolean} | null} null: nothing;
   *   `redraws` null: they are all within the line; else what is folded, or begins here unfolded
   */
  at(line, text) {
    const itself = { texts: [text], redraws: null, isOpen: false };
    const rows = this.#rows(line);
    if (!rows) return itself;
    const row = rows[indexAt(rows, line)];
    if (!row) return null; // behind the last row
    if (row.from === row.line) return itself;
    for (const wanted of this.wanted) {
      if (wanted < row.from || wanted > row.line) continue;
      this.wanted.delete(wanted);
      if (wanted < row.line || row.texts.length > 1) this.opened.add(row.from);
    }
    const isOpen = this.opened.has(row.from);
    if (isOpen) return line === row.from ? { ...itself, redraws: row.redraws, isOpen } : itself;
    return line === row.line ? { texts: row.texts, redraws: row.redraws, isOpen } : null;
  }

  /**
   * The rows of the block that a line belongs to; null where no line moves up.
   * @param {number} line
   */
  #rows(line) {
    const block = this.bytes.ownerOf(line);
    const [first, last] = this.bytes.linesOf(block);
    const end = last < this.bytes.lineCount ? last : this.bytes.size; // the last lines still grow
    const known = this.known.get(block);
    if (known?.end === end) return known.rows;
    if (!this.bytes.block(block)) return known?.rows ?? null; // on its way
    /** @type {Row[] | null} */
    let rows = null;
    if (this.bytes.movesUp(block)) {
      rows = [];
      const starts = [first, ...this.begins.filter((begin) => begin > first && begin <= last), last + 1];
      for (let i = 0; i + 1 < starts.length; i += 1) {
        const texts = this.#texts(starts[i], starts[i + 1] - 1);
        rows.push(...drawn(texts, starts[i]));
        if (texts.length < starts[i + 1] - starts[i]) return rows; // the rest is on its way
      }
    }
    if (this.known.size >= MOST_BLOCKS) this.known.clear();
    this.known.set(block, { end, rows });
    return rows;
  }

  /** @param {number} from @param {number} to */
  #texts(from, to) {
    /** @type {string[]} */
    const texts = [];
    for (let number = from; number <= to; number += 1) {
      const line = this.lineOf(number);
      if (!line) break;
      texts.push(line.text);
    }
    return texts;
  }
}

/** The first row that ends at a line or behind it. @param {Row[]} rows @param {number} line */
function indexAt(rows, line) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].line < line) low = middle + 1;
    else high = middle;
  }
  return low;
}
