// @ts-check
/**
 * Text of a terminal in pieces of one look each. The sixteen colours are classes of look.css, which
 * fit the page's ground; the others are kept as they are (log.css sees that they can be read). Pure.
 */

/**
 * @typedef {{text: string, classes: string, fg?: string, bg?: string}} Span
 *   `fg`, `bg`: colours of CSS
 * @typedef {{fg: string, bg: string, styles: string[]}} Pen
 *   a colour is the number of one of the sixteen, or one of CSS; `styles`: classes
 */

// CSI (its final byte caught), OSC ended by BEL or ST, other escapes, lone control characters.
// eslint-disable-next-line no-control-regex
export const ESCAPE = /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
// Characters that turn the order of others round; they are shown by name, and do nothing.
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// Black and white are the ink itself: a page has its own ground.
const CLASSES = ["", "ar", "ag", "ay", "ab", "am", "ac", "", "ad", "ar", "ag", "ay", "ab", "am", "ac", ""];
// The same where a job chose the ground too.
const SIXTEEN = [
  ...["#000000", "#b3261e", "#1f7a34", "#8a6100", "#1f5fbf", "#8e3a9d", "#0f7580", "#d7d7d7"],
  ...["#6b6b6b", "#e5534b", "#3fae5a", "#c99700", "#539bf5", "#c27ad0", "#39b5c0", "#ffffff"],
];
/** @type {Record<number, string>} */
const STYLES = { 1: "aB", 2: "aF", 3: "aI", 4: "aU", 7: "aV", 9: "aS" };
/** @type {Record<number, string[]>} what takes a style back */
const ENDS = { 22: ["aB", "aF"], 23: ["aI"], 24: ["aU"], 27: ["aV"], 29: ["aS"] };

/** @returns {Pen} */
function blank() {
  return { fg: "", bg: "", styles: [] };
}

/** @param {number} r @param {number} g @param {number} b */
function rgb(r, g, b) {
  const byte = (/** @type {number} */ v) => Math.min(255, Math.max(0, v || 0));
  return `rgb(${byte(r)} ${byte(g)} ${byte(b)})`;
}

/** @param {number} n a colour of the 256 */
function indexed(n) {
  if (!(n >= 0 && n < 256)) return "";
  if (n < 16) return String(n);
  if (n >= 232) return rgb(8 + 10 * (n - 232), 8 + 10 * (n - 232), 8 + 10 * (n - 232));
  const level = (/** @type {number} */ v) => (v ? 55 + 40 * v : 0);
  return rgb(level(Math.floor((n - 16) / 36)), level(Math.floor((n - 16) / 6) % 6), level((n - 16) % 6));
}

/**
 * @param {Pen} pen changed in place
 * @param {string} parameters of an SGR sequence: "1;31"
 */
function apply(pen, parameters) {
  const codes = parameters.split(/[;:]/).map(Number);
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    const ground = code >= 40 && code < 50;
    if (code === 0) Object.assign(pen, blank());
    else if (STYLES[code]) pen.styles = [...new Set([...pen.styles, STYLES[code]])];
    else if (ENDS[code]) pen.styles = pen.styles.filter((style) => !ENDS[code].includes(style));
    else if (code === 39) pen.fg = "";
    else if (code === 49) pen.bg = "";
    else if (code === 38 || code === 48) {
      const isIndexed = codes[i + 1] === 5;
      const colour = isIndexed ? indexed(codes[i + 2]) : rgb(codes[i + 2], codes[i + 3], codes[i + 4]);
      pen[ground ? "bg" : "fg"] = colour;
      i += isIndexed ? 2 : 4;
    } else if ((code >= 30 && code < 38) || (code >= 40 && code < 48)) pen[ground ? "bg" : "fg"] = String(code % 10);
    else if (code >= 90 && code < 98) pen.fg = String(code - 82);
    else if (code >= 100 && code < 108) pen.bg = String(code - 92);
  }
}

/** @param {string} colour */
function css(colour) {
  return SIXTEEN[Number(colour)] ?? colour;
}

/** @param {Pen} pen @returns {Omit<Span, "text">} */
function lookOf({ fg, bg, styles }) {
  const classes = [...styles];
  const isOwn = fg !== "" && !(Number(fg) < 16);
  /** @type {Omit<Span, "text">} */
  const look = { classes: "" };
  if (bg) {
    look.bg = css(bg);
    classes.unshift("xb");
  }
  if (fg && (isOwn || bg)) {
    look.fg = css(fg);
    classes.unshift("xf");
  } else if (fg && CLASSES[Number(fg)]) classes.unshift(CLASSES[Number(fg)]);
  look.classes = classes.join(" ");
  return look;
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
  const add = (/** @type {string} */ piece, /** @type {Omit<Span, "text">} */ look) => {
    if (!piece) return;
    const last = pieces[pieces.length - 1];
    if (last && last.classes === look.classes && last.fg === look.fg && last.bg === look.bg) last.text += piece;
    else pieces.push({ text: piece, ...look });
  };
  const addNamed = (/** @type {string} */ piece) => {
    const look = lookOf(pen);
    let from = 0;
    for (const match of piece.matchAll(TURNS)) {
      add(piece.slice(from, match.index), look);
      from = match.index + 1;
      add(`U+${match[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`, { classes: "uc" });
    }
    add(piece.slice(from), look);
  };
  let from = 0;
  for (const match of text.matchAll(ESCAPE)) {
    addNamed(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] === "m") apply(pen, match[1]);
  }
  addNamed(text.slice(from));
  return pieces;
}

/**
 * Text without escape sequences and control characters.
 * @param {string} text
 */
export function strip(text) {
  return text.replace(ESCAPE, "");
}
