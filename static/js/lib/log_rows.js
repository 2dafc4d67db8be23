// @ts-check
/** Rows of a log: lines grouped by step, folded or not; or filtered lines. Pure. */

import { firstWhere } from "./first.js";

/**
 * @typedef {{name: string, title: string, state: string, look: [string, string], exit_code: number | null,
 *   duration_s: number | null, line_from: number | null, line_to: number | null}} Step
 * @typedef {{group: number} | {line: number}} Row
 * @typedef {{at: number, count: number, group: number} | {at: number, count: number, line: number}} Part
 *   `at` is the first row's number, from 0; a group is one row
 */

export class LogRows {
  constructor() {
    /** @type {Step[]} */
    this.steps = [];
    this.lineCount = 0;
    /** @type {Map<number, boolean>} what a person opened or folded */
    this.choices = new Map();
    /** @type {[number, number][]} lines without a row: ranges, ascending */
    this.hidden = [];
    /** @type {number[] | null} only these lines, ascending */
    this.only = null;
    /** @type {Part[]} */
    this.parts = [];
    this.count = 0;
  }

  /** @param {number} lineCount */
  setLineCount(lineCount) {
    if (lineCount === this.lineCount) return;
    const fresh = lineCount - this.lineCount;
    const last = this.parts[this.parts.length - 1];
    const isOpenEnd = last && "line" in last && last.line + last.count - 1 === this.lineCount;
    // The server may name hidden lines that have not arrived yet.
    const isHiddenAhead = (this.hidden[this.hidden.length - 1]?.[1] ?? 0) > this.lineCount;
    this.lineCount = lineCount;
    if (!isOpenEnd || isHiddenAhead || fresh < 0 || this.only) {
      this.#arrange();
      return;
    }
    last.count += fresh;
    this.count += fresh;
  }

  /** @param {[number, number][]} ranges of lines without a row, ascending */
  setHidden(ranges) {
    this.hidden = ranges;
    this.#arrange();
  }

  /** @param {Step[]} steps */
  setSteps(steps) {
    this.steps = steps;
    this.#arrange();
  }

  /** While someone reads, open steps are not folded at their end. */
  keepOpen() {
    this.steps.forEach((_, group) => {
      if (this.isOpen(group)) this.choices.set(group, true);
    });
  }

  /** @param {number[] | null} lines */
  setOnly(lines) {
    this.only = lines;
    this.#arrange();
  }

  /**
   * Open: running and failed steps, and the last succeeded step with output.
   * @param {number} group
   */
  isOpen(group) {
    const chosen = this.choices.get(group);
    if (chosen !== undefined) return chosen;
    if (this.steps[group].state !== "succeeded") return true;
    return !this.steps.slice(group + 1).some((step) => step.line_from !== null && step.line_from <= this.lineCount);
  }

  /** @param {number} group @param {boolean} open */
  setOpen(group, open) {
    this.choices.set(group, open);
    this.#arrange();
  }

  /** @param {number} index from 0 @returns {Row} */
  at(index) {
    if (this.only) return { line: this.only[index] };
    const part = this.parts[firstWhere(this.parts.length, (at) => this.parts[at].at > index) - 1];
    return "group" in part ? { group: part.group } : { line: part.line + index - part.at };
  }

  /**
   * Return the row of a line; or of its folded group, or of the next shown line.
   * @param {number} line
   */
  indexOfLine(line) {
    if (this.only) {
      const only = this.only;
      return Math.max(0, Math.min(firstWhere(only.length, (at) => only[at] >= line), only.length - 1));
    }
    const index = Math.max(0, firstWhere(this.parts.length, (at) => this.#lineOf(this.parts[at]) > line) - 1);
    const part = this.parts[index];
    if (!part) return 0;
    const isEndPassed = "group" in part || line >= part.line + part.count;
    const next = this.parts[index + 1];
    // Without a row: use the next line with one, except in a folded group.
    if (isEndPassed && next && "line" in next && ("line" in part || this.isOpen(part.group))) return next.at;
    return "group" in part ? part.at : part.at + Math.min(line - part.line, part.count - 1);
  }

  /** The group that a line belongs to, -1 for none. @param {number} line */
  groupOf(line) {
    return this.steps.findIndex(
      (step) => step.line_from !== null && step.line_from <= line && line <= (step.line_to ?? Infinity),
    );
  }

  /** First and last line of a group, as far as it has come. @param {number} group @returns {[number, number]} */
  linesOf(group) {
    const step = this.steps[group];
    return [step.line_from ?? 1, Math.min(step.line_to ?? this.lineCount, this.lineCount)];
  }

  /** @param {Part} part */
  #lineOf(part) {
    return "group" in part ? (this.steps[part.group].line_from ?? 1) : part.line;
  }

  #arrange() {
    this.parts = [];
    this.count = 0;
    if (this.only) {
      this.count = this.only.length;
      return;
    }
    let next = 1; // first line without a row so far
    this.steps.forEach((step, group) => {
      if (step.line_from === null) return;
      this.#addLines(next, Math.min(step.line_from - 1, this.lineCount));
      this.parts.push({ at: this.count, count: 1, group });
      this.count += 1;
      const [from, to] = this.linesOf(group);
      if (this.isOpen(group)) this.#addLines(Math.max(next, from), to);
      next = Math.max(next, to + 1);
    });
    this.#addLines(next, this.lineCount);
  }

  /** @param {number} from @param {number} to */
  #addLines(from, to) {
    let next = from;
    for (let i = firstWhere(this.hidden.length, (at) => this.hidden[at][1] >= from); i < this.hidden.length && this.hidden[i][0] <= to; i += 1) {
      this.#addShown(next, this.hidden[i][0] - 1);
      next = Math.max(next, this.hidden[i][1] + 1);
    }
    this.#addShown(next, to);
  }

  /** @param {number} from @param {number} to */
  #addShown(from, to) {
    if (to < from) return;
    this.parts.push({ at: this.count, count: to - from + 1, line: from });
    this.count += to - from + 1;
  }
}
