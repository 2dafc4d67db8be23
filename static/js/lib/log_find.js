// @ts-check
/** Search of a log panel: input, match count, navigation. */

import { LogMatcher } from "./log_matcher.js";
import { LogSearch } from "./log_search.js";
import { matchWords } from "./log_words.js";

const WAIT_MS = 250; // debounce of typing

/** @typedef {{line: number, isFollowing: boolean}} Here what a person sees: the first line, or the end */

export class LogFind {
  /**
   * @param {object} parts
   * @param {HTMLInputElement} parts.field
   * @param {HTMLButtonElement} parts.regex pressed: what is typed is an expression
   * @param {HTMLElement} parts.status
   * @param {(query: string, signal: AbortSignal) => Promise<import("./log_search.js").Answer>} parts.ask
   * @param {string} parts.worker address of log_match_worker.js, which has another name in each version
   * @param {object} on
   * @param {() => Here} on.here
   * @param {(line: number) => boolean} on.sees a line is in sight
   * @param {(place: Here) => void} on.back to where a person was when the search began
   * @param {(line: number) => void} on.match the match to be looked at
   * @param {() => void} on.changed other lines match
   * @param {() => void} on.marked marks have come
   */
  constructor({ field, regex, status, ask, worker }, on) {
    this.field = field;
    this.regex = regex;
    this.status = status;
    this.on = on;
    this.search = new LogSearch(ask);
    this.matcher = new LogMatcher(on.marked, () => new Worker(worker, { type: "module" }));
    /** @type {Here | null} where a person was who types, and has not gone on from a match yet */
    this.from = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.typing = undefined;
    this.asked = 0; // running searches by a person
    field.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.#asking(() => this.#typed()), WAIT_MS);
    });
  }

  /** Places in a text that match, for as long as the search can be made. @param {string} text */
  marks(text) {
    return this.search.error ? [] : this.matcher.find(text);
  }

  /** Which match of a line is looked at, -1 for none. @param {number} line */
  nowIn(line) {
    const current = this.search.current;
    return current && current.line === line ? current.nth : -1;
  }

  /** To the next match or the one before. @param {number} step 1 or -1 */
  walk(step) {
    clearTimeout(this.typing);
    return this.#asking(() => this.#walk(step));
  }

  /** @param {number} step */
  async #walk(step) {
    const isNews = this.field.value !== this.search.text || this.search.answer.total === 0;
    if (isNews && !(await this.#renew())) return;
    const { current } = this.search;
    if (current && !this.on.sees(current.line)) this.search.at = -1; // scrolled elsewhere
    await this.search.walk(step, this.on.here().line);
    this.from = null;
    this.#show();
  }

  clear() {
    clearTimeout(this.typing);
    this.field.value = "";
    return this.#asking(() => this.#typed());
  }

  switchRegex() {
    this.regex.setAttribute("aria-pressed", String(this.regex.getAttribute("aria-pressed") !== "true"));
    return this.#asking(() => this.#typed());
  }

  /** A person scrolled elsewhere: the old position is dropped. */
  leave() {
    this.from = null;
  }

  /** Repeat the search at the same place after growth, unless a person's search covers it. */
  async refresh() {
    if (this.search.text && !this.asked) await this.#renew();
  }

  /** @param {() => Promise<void>} act */
  async #asking(act) {
    this.asked += 1;
    const timer = setTimeout(() => {
      this.status.classList.remove("bad", "warn");
      this.status.textContent = gettext("searching…");
    }, WAIT_MS);
    await act().finally(() => (this.asked -= 1));
    clearTimeout(timer);
    if (!this.asked) this.#say();
  }

  /** @returns {Promise<boolean>} false: outrun */
  async #renew() {
    const isRegex = this.regex.getAttribute("aria-pressed") === "true";
    if (!(await this.search.run(this.field.value, isRegex))) return false;
    this.matcher.setText(this.search.text, isRegex);
    this.on.changed();
    this.#say();
    return true;
  }

  /** Each input jumps to the first match from the person's position; an empty input returns there. */
  async #typed() {
    this.from ??= this.on.here();
    if (!(await this.#renew())) return;
    if (this.search.answer.total && this.from) {
      if (this.search.at < 0) await this.search.walk(1, this.from.line);
      this.#show();
    } else if (!this.search.text) {
      if (this.from) this.on.back(this.from);
      this.from = null;
    }
  }

  #show() {
    const current = this.search.current;
    if (current) this.on.match(current.line);
    this.on.changed();
    this.#say();
  }

  #say() {
    const isNothing = Boolean(this.search.text) && !this.search.answer.total;
    this.status.classList.toggle("bad", Boolean(this.search.error));
    this.status.classList.toggle("warn", isNothing && !this.search.error);
    this.status.textContent = matchWords(this.search);
  }
}
