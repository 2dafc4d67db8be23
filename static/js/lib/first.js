// @ts-check
/**
 * The first of `length` indices for which something holds, that holds for all behind it too. Pure.
 * @param {number} length
 * @param {(index: number) => boolean} holds
 * @returns {number} `length` where it holds for none
 */
export function firstWhere(length, holds) {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
