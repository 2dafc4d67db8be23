// @ts-check
/** Completion of a text with several tags. */

const SEPARATOR = /[,，、]/;

/**
 * Return the texts that complete the last tag of `text`, without tags that it has already.
 * @param {string} text
 * @param {string[]} names
 * @returns {string[]}
 */
export function completions(text, names) {
  const parts = text.split(SEPARATOR);
  const last = (parts.pop() ?? "").trim().toLowerCase();
  const typed = new Set(parts.map((part) => part.trim().toLowerCase()));
  const before = parts.map((part) => part.trim()).filter(Boolean);
  return names
    .filter((name) => !typed.has(name.toLowerCase()) && name.toLowerCase().includes(last))
    .map((name) => [...before, name].join(", "));
}
