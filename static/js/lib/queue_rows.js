// @ts-check
/** Rows of a host's queue: valid moves and position text. */

/**
 * Return the adjacent row of the same priority, for a swap with `row`.
 * @param {Element} row
 * @param {string} to "earlier" or "later"
 * @returns {HTMLElement | null}
 */
export function neighbour(row, to) {
  const sibling = to === "earlier" ? row.previousElementSibling : row.nextElementSibling;
  const other = /** @type {HTMLElement | null} */ (sibling);
  return other && canStand(row, other) ? other : null;
}

/**
 * @param {Element} row
 * @param {Element} other
 */
export function canStand(row, other) {
  return row.getAttribute("data-level") === other.getAttribute("data-level");
}

/**
 * Return a row's position as text for screen readers.
 * @param {Element} row
 */
export function positionText(row) {
  const place = { job: row.getAttribute("data-queue-job"), n: row.querySelector(".no")?.textContent ?? "" };
  return interpolate(gettext("#%(job)s is now at position %(n)s in the queue."), place, true);
}
