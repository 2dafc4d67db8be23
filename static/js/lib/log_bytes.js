// @ts-check
/**
 * Bytes of a log in blocks, fetched on demand and extended live. Lines are located by newline
 * counts of the blocks, so a gigabyte log loads only visible parts.
 *
 * Line n belongs to the block that holds the newline before it; line 1 belongs to block 0.
 */

import { firstWhere } from "./first.js";

export const BLOCK = 65536;
const MOST_BLOCKS = 96; // 6 MiB in memory
const NEWLINE = 10;
const ESCAPE = 27;
// Lines over more blocks than this are read only at both ends.
const WHOLE_BLOCKS = 3;
// eslint-disable-next-line no-control-regex
const UP = /^\x1b(?:\[\d*[AF]|M)/;
const LONGEST_UP = 6; // bytes

/**
 * @typedef {{size: number, newlines: number, known?: number, counts: number[], ends_line: boolean}} Index
 *   `counts`: but for the first `known`, which are here
 * @typedef {{bytes: Uint8Array, times: [number, number][]}} Piece
 * @typedef {{data: Uint8Array, length: number, newlines: number[] | null, times: [number, number][]}} Block
 * @typedef {{text: string, hidden: number, at: number, end: number}} RawLine
 *   `hidden`: bytes left out in the middle; `at`, `end`: where it begins and ends in the log
 */

export class LogBytes {
  /**
   * @param {(from: number, to: number) => Promise<Piece>} fetchPiece
   * @param {() => void} onLoad called when a block has come
   */
  constructor(fetchPiece, onLoad) {
    this.fetchPiece = fetchPiece;
    this.onLoad = onLoad;
    this.size = 0;
    this.newlines = 0;
    /** @type {number[]} newlines before each further block */
    this.counts = [];
    /** @type {Map<number, Block>} newest use last */
    this.blocks = new Map();
    /** @type {Map<number, Promise<void>>} */
    this.coming = new Map();
    this.endsLine = true;
    this.movedAt = 0; // up to here a cursor may have moved up
    this.tail = new Uint8Array(0); // last added bytes: a sequence may be cut
    this.decoder = new TextDecoder();
  }

  /** Number of lines; a last one without newline counts. */
  get lineCount() {
    return this.newlines + (this.endsLine ? 0 : 1);
  }

  /**
   * Apply the server's counts, keeping complete blocks.
   * @param {Index} index
   */
  setIndex({ size, newlines, known = 0, counts, ends_line }) {
    if (size < this.size) return; // outdated answer
    for (const [number, block] of this.blocks) {
      if (block.length < BLOCK && number * BLOCK + block.length < size) this.blocks.delete(number);
    }
    if (size > this.size) this.movedAt = size; // for all that is known here
    this.size = size;
    this.newlines = newlines;
    this.counts = [...this.counts.slice(0, known), ...counts];
    this.endsLine = ends_line;
  }

  /**
   * Add bytes that begin at `offset`; known bytes are skipped.
   * @param {number} offset
   * @param {Uint8Array} bytes
   * @param {import("./log_frame.js").Time[]} times when they arrived at the dashboard
   * @returns {boolean} false: there is a gap before them, and nothing was taken
   */
  append(offset, bytes, times) {
    if (offset > this.size) return false;
    const fresh = bytes.subarray(this.size - offset);
    if (offset + bytes.length <= this.size) return true;
    for (let done = 0; done < fresh.length; ) {
      const number = Math.floor(this.size / BLOCK);
      const within = this.size % BLOCK;
      const part = fresh.subarray(done, done + BLOCK - within);
      this.#extend(number, within, part, times);
      for (let at = part.indexOf(NEWLINE); at >= 0; at = part.indexOf(NEWLINE, at + 1)) this.newlines += 1;
      this.size += part.length;
      done += part.length;
      if (this.size % BLOCK === 0) this.counts.push(this.newlines);
    }
    this.endsLine = fresh[fresh.length - 1] === NEWLINE;
    this.#lookForMoves(fresh);
    return true;
  }

  /** @param {Uint8Array} fresh */
  #lookForMoves(fresh) {
    const edge = new Uint8Array([...this.tail, ...fresh.subarray(0, LONGEST_UP)]);
    if (movesUp(edge) || movesUp(fresh)) this.movedAt = this.size;
    this.tail = fresh.length > LONGEST_UP ? fresh.slice(-LONGEST_UP) : edge.slice(-LONGEST_UP);
  }

  /**
   * Return the loaded part of a line. Missing parts are fetched, then `onLoad` is called.
   * @param {number} n from 1
   * @returns {RawLine | null} null: not here yet
   */
  line(n) {
    const first = this.ownerOf(n);
    const last = Math.max(first, n > this.newlines ? this.#lastBlock() : this.ownerOf(n + 1));
    const isHuge = last - first >= WHOLE_BLOCKS;
    const wanted = isHuge ? [first, last - 1, last] : span(first, last);
    const blocks = wanted.map((number) => this.block(number));
    if (blocks.includes(null)) return null;
    const start = this.#startOf(n, first);
    const end = n > this.newlines ? this.size : this.#newlineAt(n, last);
    if (!isHuge) return { text: this.#decode(wanted, start, end), hidden: 0, at: start, end };
    const head = this.#decode([first], start, (first + 1) * BLOCK);
    const tail = this.#decode([last - 1, last], (last - 1) * BLOCK, end);
    return { text: head + tail, hidden: (last - 2 - first) * BLOCK, at: start, end };
  }

  /**
   * Return the arrival time of the byte at `offset`, if known.
   * @param {number} offset
   * @returns {number | null} milliseconds since the epoch
   */
  timeAt(offset) {
    const times = this.blocks.get(Math.floor(offset / BLOCK))?.times ?? [];
    const after = firstWhere(times.length, (at) => times[at][0] > offset);
    return after ? times[after - 1][1] : null;
  }

  /**
   * Return a loaded block; else fetch it.
   * @param {number} number
   * @returns {Block | null}
   */
  block(number) {
    const block = this.blocks.get(number);
    const length = Math.min(BLOCK, this.size - number * BLOCK);
    if (block && block.length >= length) {
      this.blocks.delete(number); // to the end: used last
      this.blocks.set(number, block);
      return block;
    }
    this.load(number);
    return null;
  }

  /**
   * Fetch a block, without duplicate requests.
   * @param {number} number
   * @returns {Promise<void>}
   */
  load(number) {
    const coming = this.coming.get(number);
    if (coming) return coming;
    const from = number * BLOCK;
    const promise = this.fetchPiece(from, Math.min(from + BLOCK, this.size))
      .then((piece) => this.#keep(number, piece))
      .finally(() => this.coming.delete(number))
      .then(this.onLoad, () => {});
    this.coming.set(number, promise);
    return promise;
  }

  /** @param {number} number @param {Piece} piece */
  #keep(number, piece) {
    const data = new Uint8Array(BLOCK);
    data.set(piece.bytes.subarray(0, BLOCK));
    const length = Math.min(BLOCK, piece.bytes.length);
    this.blocks.set(number, { data, length, newlines: null, times: piece.times });
    for (const oldest of this.blocks.keys()) {
      if (this.blocks.size <= MOST_BLOCKS) break;
      if (oldest !== this.#lastBlock()) this.blocks.delete(oldest);
    }
  }

  /** @param {number} number @param {number} within @param {Uint8Array} part @param {[number, number][]} times */
  #extend(number, within, part, times) {
    let block = this.blocks.get(number);
    if (!block && within === 0) {
      this.#keep(number, { bytes: new Uint8Array(0), times: [] });
      block = this.blocks.get(number);
    }
    if (!block || block.length !== within) return; // not loaded: fetched whole when visible
    block.data.set(part, within);
    block.length += part.length;
    block.newlines = null;
    const [begin, end] = [number * BLOCK + within, number * BLOCK + block.length];
    const holding = firstWhere(times.length, (at) => times[at][0] > begin) - 1;
    for (const [from, atMs] of times.slice(Math.max(0, holding))) {
      if (from >= end) break;
      if (block.times.at(-1)?.[1] !== atMs) block.times.push([Math.max(from, begin), atMs]);
    }
  }

  /** The first and the last line that belong to a block. @param {number} number @returns {[number, number]} */
  linesOf(number) {
    const first = number ? this.counts[number - 1] + 2 : 1;
    const last = number < this.counts.length ? this.counts[number] + 1 : this.lineCount;
    return [first, Math.min(last, this.lineCount)];
  }

  #lastBlock() {
    return Math.max(0, Math.ceil(this.size / BLOCK) - 1);
  }

  /** The block that line `n` belongs to. @param {number} n */
  ownerOf(n) {
    if (n <= 1) return 0;
    return firstWhere(this.counts.length, (at) => this.counts[at] >= n - 1);
  }

  /** @param {number} n @param {number} owner */
  #startOf(n, owner) {
    return n <= 1 ? 0 : this.#newlineAt(n - 1, owner) + 1;
  }

  /** Where newline `n` of the log is; `number` is the block that holds it. @param {number} n @param {number} number */
  #newlineAt(n, number) {
    const block = /** @type {Block} */ (this.blocks.get(number));
    if (!block.newlines) {
      block.newlines = [];
      for (let at = block.data.indexOf(NEWLINE); at >= 0 && at < block.length; at = block.data.indexOf(NEWLINE, at + 1)) {
        block.newlines.push(at);
      }
    }
    const before = number ? this.counts[number - 1] : 0;
    return number * BLOCK + (block.newlines[n - 1 - before] ?? block.length);
  }

  /** @param {number[]} numbers consecutive @param {number} start @param {number} end */
  #decode(numbers, start, end) {
    const parts = numbers.map((number) => {
      const base = number * BLOCK;
      const block = /** @type {Block} */ (this.blocks.get(number));
      return block.data.subarray(Math.max(0, start - base), Math.max(0, Math.min(block.length, end - base)));
    });
    if (parts.length === 1) return this.decoder.decode(parts[0]);
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return this.decoder.decode(whole);
  }
}

/** True if a cursor moves up. @param {Uint8Array} data */
function movesUp(data) {
  for (let at = data.indexOf(ESCAPE); at >= 0; at = data.indexOf(ESCAPE, at + 1)) {
    if (UP.test(String.fromCharCode(...data.subarray(at, at + LONGEST_UP)))) return true;
  }
  return false;
}

/** @param {number} first @param {number} last */
function span(first, last) {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
