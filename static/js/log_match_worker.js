// @ts-check
/** Worker that matches an expression in lines, because it can run forever. */

import { pattern, ranges } from "./lib/log_marks.js";

self.addEventListener("message", ({ data }) => {
  const { text, isRegex, lines } = data;
  const expression = pattern(text, isRegex);
  self.postMessage(lines.map((/** @type {string} */ line) => ranges(line, expression)), []);
});
