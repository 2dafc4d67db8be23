// @ts-check
/** Notices that a text repeats itself at its end. Looks at its last part only, once a second at most. */

const WINDOW = 6000; // characters
const LEAST = 400; // characters that repeat
const TIMES = 4;
const EVERY_MS = 1000;

/**
 * @param {string} text
 * @returns {number} characters at its end that are one text at least `TIMES` times in a row; 0: none
 */
export function repeated(text) {
  const end = text.slice(-WINDOW);
  const last = end.length - 1;
  // Knuth, Morris and Pratt's table of the reversed end: periods of each of its begins, in one pass.
  const borders = new Uint16Array(end.length);
  let found = 0;
  for (let at = 1, border = 0; at <= last; at += 1) {
    while (border && end[last - at] !== end[last - border]) border = borders[border - 1];
    if (end[last - at] === end[last - border]) border += 1;
    borders[at] = border;
    const length = at + 1;
    if (length >= LEAST && length >= TIMES * (length - border)) found = length;
  }
  return found;
}

/** Since when a growing text repeats itself. */
export class RepeatWatch {
  constructor() {
    /** Length of the text at a time. @type {{ length: number, at: number }[]} */
    this.looks = [];
    /** @type {number | null} */
    this.since = null;
  }

  /**
   * @param {string} text
   * @param {number} now milliseconds
   * @returns {number | null} when the repetition began, by the same clock; null: there is none
   */
  look(text, now) {
    const before = this.looks.at(-1);
    if (before && text.length < before.length) this.looks = []; // another text: the answer after the thought
    else if (before && (now - before.at < EVERY_MS || text.length === before.length)) return this.since;
    this.looks.push({ length: text.length, at: now });
    const length = repeated(text);
    if (!length) this.since = null;
    else if (this.since === null) {
      this.since = this.looks.find((one) => one.length > text.length - length)?.at ?? now;
    }
    return this.since;
  }
}
