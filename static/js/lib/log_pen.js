// @ts-check
/** The colours that lines before have left on: a terminal's pen knows no lines. Pure. */

const FAR = 50; // lines; who forgot to end a colour further back is not minded
// eslint-disable-next-line no-control-regex
const COLOUR = /\x1b\[[\d;:]*m/g;
// eslint-disable-next-line no-control-regex
const RESET = /\x1b\[0?m/;

/**
 * The sequences that are in force where line `number` begins.
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
