// @ts-check
/** One answer of an evaluation in the reader: formulas, Markdown, and the plain text behind them. */

import { setFormulas } from "./markdown.js";
import { MarkdownView } from "./markdown_view.js";

const BARE = /\\[a-zA-Z]{3,}/;
const MOST_RENDERED = 150_000; // characters of one text; a longer one is shown as text

export class AnswerView {
  constructor() {
    // What a reader chose for one answer holds for the next.
    this.isOpen = false;
    this.isPaired = false;
    this.isRaw = false;
    /** The texts as they came. @type {Map<HTMLElement, string>} */
    this.texts = new Map();
  }

  /**
   * Keep which folds of a pane are open, before another answer takes its place. A fold may have been
   * opened before the script had come, or just now: its "toggle" comes later than the next key may.
   * @param {HTMLElement} pane
   */
  keep(pane) {
    this.isOpen = this.#fold(pane, "think")?.open ?? this.isOpen;
    this.isPaired = this.#fold(pane, "pair")?.open ?? this.isPaired;
  }

  /** Show what a pane has now. @param {HTMLElement} pane */
  dress(pane) {
    this.texts.clear();
    for (const element of this.#all(pane)) this.texts.set(element, element.textContent ?? "");
    const think = this.#fold(pane, "think");
    if (think) {
      think.open = this.isOpen;
      think.addEventListener("toggle", () => think.open && this.#show(think));
    }
    const pair = this.#fold(pane, "pair");
    if (pair) pair.open = this.isPaired;
    const raw = /** @type {HTMLElement | null} */ (pane.querySelector("[data-raw]"));
    if (raw) {
      raw.hidden = false;
      raw.setAttribute("aria-pressed", String(this.isRaw));
      raw.addEventListener("click", () => {
        this.isRaw = !this.isRaw;
        raw.setAttribute("aria-pressed", String(this.isRaw));
        this.#show(pane);
      });
    }
    this.#show(pane);
  }

  /** Open or fold the reasoning. @param {HTMLElement} pane */
  fold(pane) {
    const think = this.#fold(pane, "think");
    if (think) think.open = !think.open;
  }

  /** @param {HTMLElement} pane @param {string} name @returns {HTMLDetailsElement | null} */
  #fold(pane, name) {
    return pane.querySelector(`[data-${name}]`);
  }

  /** @param {HTMLElement} part */
  #all(part) {
    return /** @type {HTMLElement[]} */ ([...part.querySelectorAll("[data-md], [data-tex]")]);
  }

  /** @param {HTMLElement} part */
  #show(part) {
    for (const element of this.#all(part)) {
      const text = this.texts.get(element) ?? "";
      // Folded reasoning is not read: drawing it would make each step wait.
      if (element.closest("details:not([open])")) continue;
      const isMarkdown = element.dataset.md !== undefined && !this.isRaw && text.length <= MOST_RENDERED;
      if (element.dataset.md !== undefined) element.classList.toggle("as-said", !isMarkdown);
      if (isMarkdown) {
        if (element.dataset.drawn !== "md") new MarkdownView(element).update(text, true);
      } else {
        // Tools extract "\\frac{1}{2}" without the signs of a formula.
        const isBare = !this.isRaw && element.dataset.tex === "bare" && BARE.test(text) && !/\$|\\[([]/.test(text);
        element.textContent = isBare ? `\\(${text}\\)` : text;
        if (element.dataset.tex !== undefined && !this.isRaw) setFormulas(element);
      }
      element.dataset.drawn = isMarkdown ? "md" : "text";
    }
  }
}
