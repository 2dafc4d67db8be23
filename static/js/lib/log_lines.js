// @ts-check
/** Recently shown lines, and the pen at their start. */

import { penBefore } from "./log_pen.js";

const KEPT_CHARACTERS = 2_000_000;

export class LogLines {
  /** @param {import("./log_bytes.js").LogBytes} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    /** @type {Map<number, import("./log_bytes.js").RawLine>} */
    this.kept = new Map();
    this.characters = 0;
  }

  /** @param {number} number @returns {import("./log_bytes.js").RawLine | null} null: on its way */
  at(number) {
    const kept = this.kept.get(number);
    if (kept) return kept;
    const line = this.bytes.line(number);
    if (line && number < this.bytes.lineCount) {
      this.characters += line.text.length;
      if (this.characters > KEPT_CHARACTERS) {
        this.kept.clear();
        this.characters = line.text.length;
      }
      this.kept.set(number, line);
    }
    return line;
  }

  /** Colours that lines before left on; looked for in the line's own block. @param {number} number */
  pen(number) {
    const [first] = this.bytes.linesOf(this.bytes.ownerOf(number));
    return penBefore(number, first, (before) => this.at(before)?.text ?? null);
  }
}
