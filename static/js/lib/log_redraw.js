// @ts-check
/**
 * What a terminal would show of lines that were drawn over: carriage returns, erased states, and
 * cursors that move up, as several progress bars at once do. Pure.
 */

import { strip } from "./ansi.js";

// Up and down by n: CSI n A, B, and E, F, which also go to the begin of the line.
// eslint-disable-next-line no-control-regex
const MOVE = /\x1b\[(\d*)([ABEF])/g;
// eslint-disable-next-line no-control-regex
const ERASE = /\x1b\[[0-2]?[JK]/;

/**
 * @typedef {{text: string, redraws: number}} Drawn
 * @typedef {{from: number, line: number, texts: string[], redraws: number}} Row
 *   `line`: the number of the row, of the line that drew it last; `from` to `line` are the lines that
 *   it stands for; `redraws` counts what they drew and is not shown
 * @typedef {{text: string, line: number, passes: number, wasDrawn: boolean}} Cell
 *   a row of the terminal; `passes`: newlines that went by it
 */

/** @param {string} part */
function isVisible(part) {
  return strip(part).trim() !== "";
}

/** True for what was drawn to take away what stood there. @param {string} part */
function erases(part) {
  return !isVisible(part) && (/ /.test(part) || ERASE.test(part));
}

/**
 * The last state of a line that was drawn over and over. States that were erased do not count.
 * @param {string} line without its newline; escape sequences stay
 * @returns {Drawn}
 */
export function lastState(line) {
  if (!line.includes("\r")) return { text: line, redraws: 0 };
  const parts = line.split("\r");
  const states = parts.filter(isVisible);
  return { text: states.at(-1) ?? "", redraws: Math.max(0, statesIn(parts) - 1) };
}

/** States that stood until another one was drawn over them. @param {string[]} parts between carriage returns */
function statesIn(parts) {
  return parts.filter((part, i) => isVisible(part) && !(i + 1 < parts.length && erases(parts[i + 1]))).length;
}

/**
 * The rows that lines leave on a terminal, in the order of their numbers. A line that is no row's
 * number was drawn over, or only moved the cursor.
 * @param {string[]} lines without their newlines
 * @param {number} first the number of the first one
 * @returns {Row[]}
 */
export function drawn(lines, first) {
  const { cells, states } = play(lines, first);
  const rows = inOrder(cells);
  const lastDrawn = first + states.findLastIndex((count) => count > 0);
  // What was drawn last and erased since is shown all the same, as it is of a single line.
  if (lastDrawn >= first && lastDrawn > (rows.at(-1)?.line ?? 0)) {
    rows.push({ from: 0, line: lastDrawn, texts: [lastState(lines[lastDrawn - first]).text], redraws: 0 });
  }
  let from = first;
  for (const row of rows) {
    row.from = from;
    const all = states.slice(from - first, row.line - first + 1).reduce((sum, count) => sum + count, 0);
    row.redraws = Math.max(0, all - row.texts.filter(isVisible).length);
    from = row.line + 1;
  }
  return rows;
}

/**
 * Draw lines on a terminal without edges.
 * @param {string[]} lines @param {number} first
 * @returns {{cells: Cell[], states: number[]}} rows from above; states drawn by each line
 */
function play(lines, first) {
  /** @type {Map<number, Cell>} */
  const screen = new Map();
  /** @type {number[]} */
  const states = [];
  let at = 0;
  const cell = () => {
    let found = screen.get(at);
    if (!found) screen.set(at, (found = { text: "", line: 0, passes: 0, wasDrawn: false }));
    return found;
  };
  lines.forEach((line, i) => {
    states[i] = 0;
    const put = (/** @type {string} */ piece) => {
      const parts = piece.split("\r");
      const last = parts.findLast((part) => isVisible(part) || erases(part));
      states[i] += statesIn(parts);
      if (last === undefined) return;
      Object.assign(cell(), isVisible(last) ? { text: last, line: first + i, wasDrawn: true } : { text: "" });
    };
    let from = 0;
    for (const match of line.matchAll(MOVE)) {
      put(line.slice(from, match.index));
      from = match.index + match[0].length;
      const by = Number(match[1] || 1);
      at += match[2] === "A" || match[2] === "F" ? -by : by;
    }
    put(line.slice(from));
    const here = cell();
    here.passes += 1;
    if (!here.text) here.line = first + i;
    at += 1;
  });
  const cells = [...screen].toSorted(([a], [b]) => a - b).map(([, found]) => found);
  return { cells, states };
}

/**
 * Rows with rising numbers: those that were drawn last out of their order make one row of several
 * texts. What is empty because it was erased, or was only a way down, is left out.
 * @param {Cell[]} cells
 * @returns {Row[]}
 */
function inOrder(cells) {
  /** @type {Row[]} */
  const rows = [];
  for (const { text, line, passes, wasDrawn } of cells) {
    if (!text && (wasDrawn || passes !== 1)) continue;
    const row = { from: 0, line, texts: [text], redraws: 0 };
    for (let above = rows.at(-1); above && above.line >= row.line; above = rows.at(-1)) {
      row.line = above.line;
      row.texts = [...above.texts, ...row.texts].filter((part, i, all) => part || all.length === 1);
      rows.pop();
    }
    rows.push(row);
  }
  return rows;
}
