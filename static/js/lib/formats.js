// @ts-check
/** Format numbers, sizes and durations like dashboard/text/formatting.py. Pure; a test compares both. */

const THIN = "\u202f"; // narrow no-break space
const MINUS = "\u2212";
const DECIMALS = 4; // most of a number that they do not make zero
const MS_BELOW_S = 0.1;
const SIZES = ["B", "kB", "MB", "GB", "TB", "PB"];

/**
 * Return three significant digits, at most four decimals; all digits of an integer with `counted`.
 * @param {number} value
 * @param {{ counted?: boolean, decimals?: number }} [how]
 */
export function number(value, { counted = false, decimals } = {}) {
  const absolute = Math.abs(value);
  const digits = counted && Number.isInteger(value) ? 0 : (decimals ?? threeSignificant(absolute));
  const [whole, part] = absolute.toFixed(digits).split(".");
  const digitGroups = whole.replace(/\B(?=(\d{3})+$)/g, THIN);
  return (value < 0 ? MINUS : "") + (part ? `${digitGroups}.${part}` : digitGroups);
}

/** @param {number} absolute */
function threeSignificant(absolute) {
  if (!absolute) return 1;
  const power = Math.floor(Math.log10(absolute));
  // What four decimals would show as zero has two digits.
  return power < -DECIMALS ? 1 - power : Math.min(DECIMALS, Math.max(0, 2 - power));
}

/** Return a count with all digits. @param {number} value */
export function grouped(value) {
  return number(value, { counted: true });
}

/** Return bytes in powers of 1,000: "999 B", "1.23 kB", "531 MB". @param {number} bytes */
export function size(bytes) {
  let [value, power] = [bytes, 0];
  while (value >= 999.5 && power < SIZES.length - 1) {
    value /= 1000;
    power += 1;
  }
  return `${power ? number(value) : grouped(Math.round(value))} ${SIZES[power]}`;
}

/**
 * Return a duration as text: "3.10 ms", "12.4 s", "29 min 04 s", "1 h 12 min", "3 d 4 h".
 * @param {number} seconds
 */
export function duration(seconds) {
  const span = Math.max(0, seconds);
  if (span > 0 && span < MS_BELOW_S) return `${number(1000 * span)} ms`;
  if (span < 59.95 && !Number.isInteger(span)) {
    return spaced(span < 9.95 ? number(span) : span.toFixed(1), gettext("s"));
  }
  const isWholeMinute = span >= 60 && span < 3599.5 && span % 60 === 0;
  return isWholeMinute ? spaced(span / 60, gettext("min")) : elapsed(Math.round(span));
}

/**
 * Return numbers with their units: Chinese has no space between digits and words.
 * @param {(string | number)[]} parts
 */
const spaced = (...parts) => parts.join(/^[ -~]+$/.test(String(parts[1])) ? " " : "");

/**
 * Return the time of a running clock: whole seconds, also at a full minute.
 * @param {number} seconds
 */
export function elapsed(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [minutes, hours] = [Math.floor(whole / 60), Math.floor(whole / 3600)];
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  if (whole < 60) return spaced(whole, gettext("s"));
  if (hours < 1) return spaced(minutes, gettext("min"), two(whole % 60), gettext("s"));
  if (hours < 24) return spaced(hours, gettext("h"), two(minutes % 60), gettext("min"));
  return spaced(Math.floor(hours / 24), gettext("d"), hours % 24, gettext("h"));
}
