// @ts-check
/**
 * Terminal state of an overwritten line: carriage returns, backspaces, erased states.
 * Overwriting across lines is the server's: jobs/logstore/terminal.py. Pure.
 */

import { ESCAPE, strip } from "./ansi.js";

// eslint-disable-next-line no-control-regex
const ERASE = /\x1b\[[0-2]?[JK]/;
// eslint-disable-next-line no-control-regex
const ASCII = /^[\x00-\x7f]*$/;
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const RESETS = new Set(["", "0"]);

/** @typedef {{text: string, redraws: number}} Drawn */

/** @param {string} part */
function isVisible(part) {
  return strip(part).trim() !== "";
}

/** True for what was drawn to take away what stood there. @param {string} part */
function erases(part) {
  return !isVisible(part) && (/ /.test(part) || ERASE.test(part));
}

/**
 * Return the last state of an overwritten line. A final erasure is ignored; other erased states do
 * not count.
 * @param {string} line without its newline; escape sequences stay
 * @returns {Drawn}
 */
export function lastState(line) {
  if (!line.includes("\r") && !line.includes("\b")) return { text: line, redraws: 0 };
  const parts = line.split("\r");
  const last = parts.findLastIndex(isVisible);
  if (last < 0) return { text: "", redraws: 0 };
  const drawn = parts.slice(0, last + 1);
  const redraws = drawn.filter((part, i) => isVisible(part) && !(i < last && erases(drawn[i + 1]))).length - 1;
  return { text: overlaid(drawn), redraws };
}

/** Parts drawn over each other from the same column on. @param {string[]} parts */
function overlaid(parts) {
  const last = parts[parts.length - 1];
  const width = strip(last).length;
  const isAll = !last.includes("\b") && parts.every((part) => part.length <= width && ASCII.test(part));
  return isAll ? last : cells(parts);
}

/** What stands in each column. @param {string[]} parts */
function cells(parts) {
  /** @type {[string, string][]} a column: character, colours */
  let row = [];
  let pen = "";
  for (const part of parts) {
    let column = 0;
    const put = (/** @type {string} */ text) => {
      for (const character of text) {
        if (character === "\b") column = Math.max(0, column - 1);
        else {
          while (row.length < column) row.push([" ", ""]);
          row[column] = [character, pen];
          column += 1;
          if (WIDE.test(character)) row[column++] = ["", pen];
        }
      }
    };
    let from = 0;
    for (const match of part.matchAll(ESCAPE)) {
      put(part.slice(from, match.index));
      from = match.index + match[0].length;
      if (match[0] === "\b") column = Math.max(0, column - 1);
      if (match[2] === "m") pen = RESETS.has(match[1]) ? "" : pen + match[0];
      if (match[2] === "K") {
        if (match[1] === "" || match[1] === "0") row = row.slice(0, column);
        else if (match[1] === "2") row = [];
      }
    }
    put(part.slice(from));
  }
  let text = "";
  let shown = "";
  for (const [character, own] of row) {
    if (own !== shown) text += `\x1b[0m${own}`;
    shown = own;
    text += character;
  }
  return text;
}
