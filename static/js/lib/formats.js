// @ts-check
/** Numbers and durations as text, as dashboard/text/formatting.py writes them. Pure; a test compares both. */

const THIN = "\u202f"; // narrow no-break space
const MINUS = "\u2212";

/**
 * Three significant digits, at most four decimals; all digits of a whole number where `counted`.
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
 * A span of less than a minute as the dashboard writes it, "0.0941 s", "12.4 s"; a longer one in whole seconds.
 * @param {number} seconds
 */
export function duration(seconds) {
  const unit = gettext("s");
  const span = Math.max(0, seconds);
  if (Number.isInteger(span) || span >= 59.95) return `${Math.round(span)} ${unit}`;
  return `${span < 9.95 ? number(span) : span.toFixed(1)} ${unit}`;
}
