// @ts-check
/**
 * Which lines of a log are shown, where lines draw over others: at most one row for all that was
 * drawn at one place. Looked at block by block, so that any part of a long log needs only itself;
 * what draws over a line of another block stands below it.
 */

import { drawn } from "./log_redraw.js";

const MOST_BLOCKS = 128;

/**
 * @typedef {import("./log_redraw.js").Row} Row
 * @typedef {{texts: string[] | null, redraws: number | null, isOpen: boolean}} Shown
 *   `texts` null: the line itself; `redraws` null: they are all within the line; else how many are
 *   folded, or begin here unfolded
 */

/** @type {Shown} */
const ITSELF = { texts: null, redraws: null, isOpen: false };

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
    /** @type {Map<number, {end: number, rows: Row[] | null, loads: number}>} by block; `loads`: what
     * was here when lines were missing, -1 when none was */
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
   * @param {number} line
   * @returns {Shown | null} null: nothing
   */
  at(line) {
    const rows = this.#rows(line);
    if (!rows) return ITSELF;
    const row = rows[indexAt(rows, line)];
    if (!row) return null; // behind the last row
    if (row.from === row.line) return ITSELF;
    for (const wanted of this.wanted) {
      if (wanted < row.from || wanted > row.line) continue;
      this.wanted.delete(wanted);
      if (wanted < row.line || row.texts.length > 1) this.opened.add(row.from);
    }
    const isOpen = this.opened.has(row.from);
    if (isOpen) return line === row.from ? { ...ITSELF, redraws: row.redraws, isOpen } : ITSELF;
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
    if (known?.end === end && (known.loads < 0 || known.loads === this.bytes.loads)) return known.rows;
    if (!this.bytes.block(block)) return known?.rows ?? null; // on its way
    /** @type {Row[] | null} */
    let rows = null;
    let loads = -1;
    if (this.bytes.movesUp(block)) {
      rows = [];
      const starts = [first, ...this.begins.filter((begin) => begin > first && begin <= last), last + 1];
      for (let i = 0; i + 1 < starts.length; i += 1) {
        const texts = this.#texts(starts[i], starts[i + 1] - 1);
        rows.push(...drawn(texts, starts[i]));
        if (texts.length === starts[i + 1] - starts[i]) continue;
        loads = this.bytes.loads; // the rest is on its way
        break;
      }
    }
    if (this.known.size >= MOST_BLOCKS) this.known.clear();
    this.known.set(block, { end, rows, loads });
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
