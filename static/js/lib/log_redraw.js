// @ts-check
/** What a line shows after its redraws: carriage returns, and cursors that move up. Pure. */

// Up by n: CSI n A. Lines that hold it redraw lines above them: nested progress bars.
// eslint-disable-next-line no-control-regex
const UP = /\x1b\[(\d*)A/;
// eslint-disable-next-line no-control-regex
const UP_OR_ERASE = /\x1b\[(\d*)([AK])/g;

/**
 * @typedef {{text: string, redraws: number}} Drawn
 */

/**
 * The last state of a line that was drawn over and over.
 * @param {string} line without its newline; escape sequences stay
 * @returns {Drawn}
 */
export function lastState(line) {
  if (!line.includes("\r")) return { text: line, redraws: 0 };
  const states = line.split("\r").filter((state) => state.trim() !== "");
  return { text: states.at(-1) ?? "", redraws: Math.max(0, states.length - 1) };
}

/**
 * True when a line draws over a line above it.
 * @param {string} line
 */
export function movesUp(line) {
  return UP.test(line);
}

/**
 * What a group of lines leaves on a terminal, when each but the first moves up into the ones before.
 * @param {string[]} lines
 * @returns {{rows: Drawn[], redraws: number}} `redraws` counts the states that are not shown
 */
export function drawTogether(lines) {
  /** @type {string[]} */
  const screen = [];
  let at = 0;
  let states = 0;
  const put = (/** @type {string} */ piece) => {
    const drawn = lastState(piece);
    if (!drawn.text) return;
    states += drawn.redraws + 1;
    screen[at] = drawn.text;
  };
  for (const line of lines) {
    let from = 0;
    for (const match of line.matchAll(UP_OR_ERASE)) {
      if (match[2] === "K") continue;
      put(line.slice(from, match.index));
      from = match.index + match[0].length;
      at = Math.max(0, at - Number(match[1] || 1));
    }
    put(line.slice(from));
    at += 1;
  }
  const rows = Array.from(screen, (text) => ({ text: text ?? "", redraws: 0 }));
  return { rows, redraws: Math.max(0, states - rows.length) };
}
