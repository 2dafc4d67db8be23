// @ts-check
/** Colours of a terminal as classes of look.css. Everything else a terminal does is left out. Pure. */

/**
 * @typedef {{text: string, classes: string}} Span
 * @typedef {{colour: string, dim: boolean, bold: boolean}} Pen
 */

// CSI (its final byte caught), OSC ended by BEL or ST, other escapes, lone control characters.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f]/g;

// Black and white are the ink itself: a page has its own ground.
const COLOURS = ["", "ar", "ag", "ay", "ab", "am", "ac", ""];
const GREY = "ad";

/** @returns {Pen} */
function blank() {
  return { colour: "", dim: false, bold: false };
}

/**
 * The nearest of the six hues, grey, or the ink.
 * @param {number} r @param {number} g @param {number} b each 0 to 255
 */
function nearest(r, g, b) {
  const most = Math.max(r, g, b);
  const spread = most - Math.min(r, g, b);
  if (spread < 40) return most > 80 && most < 190 ? GREY : "";
  const bit = (/** @type {number} */ v) => (v > most - spread / 2 ? 1 : 0);
  return COLOURS[bit(r) + 2 * bit(g) + 4 * bit(b)];
}

/** @param {number} n a colour of the 256 */
function indexed(n) {
  if (n < 16) return n === 8 ? GREY : COLOURS[n % 8];
  if (n >= 232) return nearest(8 + 10 * (n - 232), 8 + 10 * (n - 232), 8 + 10 * (n - 232));
  const level = (/** @type {number} */ v) => (v ? 55 + 40 * v : 0);
  return nearest(level(Math.floor((n - 16) / 36)), level(Math.floor((n - 16) / 6) % 6), level((n - 16) % 6));
}

/**
 * @param {Pen} pen changed in place
 * @param {string} parameters of an SGR sequence: "1;31"
 */
function apply(pen, parameters) {
  const codes = parameters.split(/[;:]/).map(Number);
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    if (code === 0) Object.assign(pen, blank());
    else if (code === 1) pen.bold = true;
    else if (code === 2) pen.dim = true;
    else if (code === 22) pen.bold = pen.dim = false;
    else if (code === 39) pen.colour = "";
    else if (code >= 30 && code <= 37) pen.colour = COLOURS[code - 30];
    else if (code === 90) pen.colour = GREY;
    else if (code > 90 && code <= 97) pen.colour = COLOURS[code - 90];
    else if (code === 38 || code === 48) {
      const isIndexed = codes[i + 1] === 5;
      if (code === 38) pen.colour = isIndexed ? indexed(codes[i + 2]) : nearest(codes[i + 2], codes[i + 3], codes[i + 4]);
      i += isIndexed ? 2 : 4;
    }
  }
}

/** @param {Pen} pen */
function classesOf(pen) {
  const colour = pen.dim && !pen.colour ? GREY : pen.colour;
  return [colour, pen.bold ? "aB" : ""].filter(Boolean).join(" ");
}

/**
 * Text in pieces of one look each. The pen is fresh at the begin of the text.
 * @param {string} text one line
 * @returns {Span[]}
 */
export function spans(text) {
  if (!text) return [];
  const pen = blank();
  /** @type {Span[]} */
  const pieces = [];
  const add = (/** @type {string} */ piece) => {
    if (!piece) return;
    const classes = classesOf(pen);
    const last = pieces.at(-1);
    if (last && last.classes === classes) last.text += piece;
    else pieces.push({ text: piece, classes });
  };
  let from = 0;
  for (const match of text.matchAll(ESCAPE)) {
    add(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] === "m") apply(pen, match[1]);
  }
  add(text.slice(from));
  return pieces;
}

/**
 * Text without escape sequences and control characters.
 * @param {string} text
 */
export function strip(text) {
  return text.replace(ESCAPE, "");
}
