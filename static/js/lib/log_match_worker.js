// @ts-check
/** Looks for an expression in lines, away from the page: an expression can take for ever. */

import { pattern, ranges } from "./log_marks.js";

self.addEventListener("message", ({ data }) => {
  const { text, isRegex, lines } = data;
  const expression = pattern(text, isRegex);
  self.postMessage(lines.map((/** @type {string} */ line) => ranges(line, expression)), []);
});
