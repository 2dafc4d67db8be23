// @ts-check
/**
 * Footnotes of Markdown for marked: `[^label]` where the text has a line `[^label]: …`. A definition
 * stands where the answer has it, because an answer is drawn block by block.
 */

import { escaped } from "./escape.js";

const LABEL = "[^\\]\\s^]{1,40}";
const DEFINITION = new RegExp(`^ {0,3}\\[\\^(${LABEL})\\]:[ \\t]*([^\\n]*(?:\\n(?! {0,3}\\[\\^|[ \\t]*\\n)[^\\n]+)*)(?:\\n|$)`);
const REFERENCE = new RegExp(`^\\[\\^(${LABEL})\\](?!:)`);

/** Definitions are kept among the links of a text: only a reference to one of them is no plain text. @param {string} label */
const nameOf = (label) => `^${label.toLowerCase()}`;

export const footnote = {
  name: "footnote",
  level: /** @type {"block"} */ ("block"),
  start: (/** @type {string} */ text) => /^ {0,3}\[\^/m.exec(text)?.index,
  /** @this {any} @param {string} text */
  tokenizer(text) {
    const found = DEFINITION.exec(text);
    if (!found) return undefined;
    const [raw, label, content] = found;
    this.lexer.tokens.links[nameOf(label)] = { href: "", title: "" };
    return { type: "footnote", raw, label, tokens: this.lexer.inline(content.trim()) };
  },
  /** @this {any} @param {any} token */
  renderer(token) {
    return `<div class="footnote"><sup>${escaped(token.label)}</sup> ${this.parser.parseInline(token.tokens)}</div>`;
  },
};

export const reference = {
  name: "footnote_reference",
  level: /** @type {"inline"} */ ("inline"),
  start: (/** @type {string} */ text) => /\[\^/.exec(text)?.index,
  /** @this {any} @param {string} text */
  tokenizer(text) {
    const found = REFERENCE.exec(text);
    if (!found || !(nameOf(found[1]) in this.lexer.tokens.links)) return undefined;
    return { type: "footnote_reference", raw: found[0], label: found[1] };
  },
  renderer: (/** @type {any} */ token) => `<sup class="note-of">${escaped(token.label)}</sup>`,
};

/** Make a reference a button that leads to its definition. @param {Element} mark `sup.note-of` */
export function dress(mark) {
  const label = mark.textContent ?? "";
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.note = label;
  button.textContent = label;
  button.ariaLabel = interpolate(gettext("Footnote %(label)s"), { label }, true);
  mark.replaceChildren(button);
}

/** A click on a reference in `target` leads to its definition there. @param {HTMLElement} target */
export function bindNotes(target) {
  target.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button[data-note]") : null;
    if (!(button instanceof HTMLElement)) return;
    const label = button.dataset.note?.toLowerCase();
    const notes = /** @type {HTMLElement[]} */ ([...target.querySelectorAll(".footnote")]);
    const note = notes.find((one) => one.firstElementChild?.textContent?.toLowerCase() === label);
    if (!note) return;
    note.tabIndex = -1;
    note.focus();
  });
}
