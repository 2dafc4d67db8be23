// @ts-check
/** Which words two answers have in common. The work is bounded: two long answers may have nothing in common. */

export const MOST_CHARS = 100_000; // of one answer
const MOST_CHANGES = 4000; // words
const MOST_MS = 1000;

/**
 * @typedef {{ value: string, added: boolean, removed: boolean, count: number }} Change
 * @param {string} before
 * @param {string} after
 * @param {string} language
 * @returns {Change[] | null} null: too long, or too different
 */
export function differenceOf(before, after, language) {
  if (before.length > MOST_CHARS || after.length > MOST_CHARS) return null;
  const intlSegmenter = new Intl.Segmenter(language, { granularity: "word" });
  const limits = { intlSegmenter, maxEditLength: MOST_CHANGES, timeout: MOST_MS };
  return /** @type {any} */ (globalThis).Diff.diffWords(before, after, limits) ?? null;
}

/** Changes as elements: what a model wrote stays text. @param {Change[]} changes */
export function shownChanges(changes) {
  return changes.map(({ value, added, removed }) => {
    const element = document.createElement(added ? "ins" : removed ? "del" : "span");
    element.textContent = value;
    return element;
  });
}
