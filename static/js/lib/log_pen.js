// @ts-check
/** Colours carried over from earlier lines, as in a terminal. Pure. */

const FAR = 50; // lines; colours left on further back are ignored
// eslint-disable-next-line no-control-regex
const COLOUR = /\x1b\[[\d;:]*m/g;
// eslint-disable-next-line no-control-regex
const RESET = /\x1b\[0?m/;

/**
 * Return the active sequences at the start of line `number`.
 * @param {number} number
 * @param {number} first how far back one may look
 * @param {(number: number) => string | null} textOf null: not here
 */
export function penBefore(number, first, textOf) {
  let pen = "";
  for (let before = number - 1; before >= Math.max(first, number - FAR); before -= 1) {
    const text = textOf(before);
    if (text === null) break;
    if (!text.includes("\x1b[")) continue;
    const sequences = text.match(COLOUR) ?? [];
    const reset = sequences.findLastIndex((sequence) => RESET.test(sequence));
    pen = sequences.slice(reset + 1).join("") + pen;
    if (reset >= 0) break;
  }
  return pen;
}
