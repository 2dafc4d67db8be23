// @ts-check
/** Format numbers and durations like dashboard/text/formatting.py. Pure; a test compares both. */

const THIN = "\u202f"; // narrow no-break space
const MINUS = "\u2212";

/**
 * Return three significant digits, at most four decimals; all digits of an integer with `counted`.
 * @param {number} value
 * @param {{ counted?: boolean, decimals?: number }} [how]
 */
export function number(value, { counted = false, decimals } = {}) {
  const size = Math.abs(value);
  const digits = counted && Number.isInteger(value) ? 0 : (decimals ?? threeSignificant(size));
  const [whole, part] = size.toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, THIN);
  return (value < 0 ? MINUS : "") + (part ? `${grouped}.${part}` : grouped);
}

/** @param {number} size */
function threeSignificant(size) {
  return size ? Math.min(4, Math.max(0, 2 - Math.floor(Math.log10(size)))) : 1;
}

/**
 * Return a duration below a minute as "0.0941 s", "12.4 s"; a longer duration in whole seconds.
 * @param {number} seconds
 */
export function duration(seconds) {
  const unit = gettext("s");
  const span = Math.max(0, seconds);
  if (Number.isInteger(span) || span >= 59.95) return `${Math.round(span)} ${unit}`;
  return `${span < 9.95 ? number(span) : span.toFixed(1)} ${unit}`;
}
