// @ts-check
/** Matches of a search in a line, and pieces cut at matches. Pure. */

/**
 * @typedef {import("./ansi.js").Span} Span
 * @typedef {[number, number]} Range from, up to; in characters
 */

/**
 * Build an expression like the server's search: case-sensitive only with a capital letter.
 * @param {string} text @param {boolean} isRegex
 * @returns {RegExp | null} null: nothing to look for, or not an expression
 */
export function pattern(text, isRegex) {
  if (!text) return null;
  const anyCase = isRegex && text.startsWith("(?i)"); // Python syntax
  const bare = anyCase ? text.slice("(?i)".length) : text;
  const named = bare.replace(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[^])/g, character);
  const source = isRegex ? named : text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const letters = isRegex ? named.replace(/\\./g, "") : text; // of \S none
  try {
    return new RegExp(source, anyCase || letters === letters.toLowerCase() ? "gi" : "g");
  } catch {
    return null;
  }
}

/**
 * Convert numeric escapes between Python and JavaScript; others stay.
 * @param {string} escape @param {string} [short] @param {string} [long]
 */
function character(escape, short, long) {
  const number = Number.parseInt(short ?? long ?? "", 16);
  if (!number || number > 0x10ffff) return escape;
  return String.fromCodePoint(number).replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
}

/**
 * @param {string} text without escape sequences
 * @param {RegExp | null} expression
 * @returns {Range[]}
 */
export function ranges(text, expression) {
  if (!expression) return [];
  /** @type {Range[]} */
  const matched = [];
  for (const match of text.matchAll(expression)) {
    if (match[0]) matched.push([match.index, match.index + match[0].length]);
  }
  return matched;
}

/**
 * Cut pieces at the ranges. `mark`: index of the piece's range, -1 for none.
 * @param {Span[]} spans @param {Range[]} marks ascending
 * @returns {(Span & {mark: number})[]}
 */
export function cut(spans, marks) {
  /** @type {(Span & {mark: number})[]} */
  const pieces = [];
  let at = 0;
  let next = 0;
  for (const { text, ...look } of spans) {
    const end = at + text.length;
    let from = at;
    while (from < end) {
      while (next < marks.length && marks[next][1] <= from) next += 1;
      const range = marks[next];
      const isIn = range !== undefined && range[0] <= from;
      const to = range === undefined ? end : Math.min(end, isIn ? range[1] : range[0]);
      pieces.push({ text: text.slice(from - at, to - at), ...look, mark: isIn ? next : -1 });
      from = to;
    }
    at = end;
  }
  return pieces;
}
