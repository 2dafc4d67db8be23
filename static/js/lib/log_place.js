// @ts-check
/** Line or line range in an address: "#L12", "#L12-L40". Pure. */

/** @typedef {[number, number]} Place first and last line; [0, 0] for none */

/**
 * Parse lines of an address or input: "12", "12-40", "#L12-L40". Thousands separators are allowed,
 * as shown in the panel.
 * @param {string} text
 * @returns {Place}
 */
export function placeIn(text) {
  const match = /^#?L?(\d{1,12})(?:\s*[-–]\s*L?(\d{1,12}))?$/i.exec(text.trim().replace(/(?<=\d)[\s,](?=\d{3}(?!\d))/g, ""));
  if (!match) return [0, 0];
  const numbers = [Number(match[1]), Number(match[2] ?? match[1])];
  return numbers[0] < 1 || numbers[1] < 1 ? [0, 0] : [Math.min(...numbers), Math.max(...numbers)];
}

/** @param {Place} place @returns {string} */
export function hashOf([first, last]) {
  return first === last ? `#L${first}` : `#L${first}-L${last}`;
}
