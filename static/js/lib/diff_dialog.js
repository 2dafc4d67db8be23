// @ts-check
/** The dialog that shows the difference of two answers: of which question, and of which two columns. */

import { differenceOf, shownChanges } from "./answer_diff.js";

/** @param {HTMLDialogElement} dialog @param {HTMLElement[]} columns */
export function bindDifference(dialog, columns) {
  const [question, left, right] = ["question", "left", "right"].map(
    (name) => /** @type {HTMLSelectElement} */ (dialog.querySelector(`[data-${name}]`)),
  );
  const summary = /** @type {HTMLElement} */ (dialog.querySelector("[data-summary]"));
  const words = /** @type {HTMLElement} */ (dialog.querySelector("[data-words]"));

  /** @param {HTMLSelectElement} side @returns {string | undefined} the answer as its model wrote it */
  function answerOf(side) {
    const turn = columns[Number(side.value)]?.querySelector(`[data-turn][data-index="${question.value}"]`);
    return /** @type {HTMLElement | null} */ (turn?.querySelector("[data-copy-part=answer]"))?.dataset.copyText;
  }

  function compare() {
    const [before, after] = [answerOf(left), answerOf(right)];
    words.replaceChildren();
    if (!before || !after) {
      const missing = before ? right : left;
      const name = missing.selectedOptions[0]?.textContent ?? "";
      summary.textContent = interpolate(gettext("No answer from %(name)s."), { name }, true);
      return;
    }
    const changes = differenceOf(before, after, document.documentElement.lang);
    if (!changes) {
      summary.textContent = gettext("The answers differ too much, or are too long, to show each word.");
      return;
    }
    words.replaceChildren(...shownChanges(changes));
    const isEqual = !changes.some((one) => one.added || one.removed);
    summary.textContent = isEqual ? gettext("Both answers have the same words.") : gettext("Struck out: only on the left. Marked: only on the right.");
  }

  function open() {
    const turns = /** @type {HTMLElement[]} */ (columns.flatMap((one) => [...one.querySelectorAll("[data-turn]")]));
    const indexes = [...new Set(turns.map((turn) => Number(turn.dataset.index)))].toSorted((a, b) => a - b);
    question.replaceChildren(...indexes.map((index) => new Option(String(index + 1), String(index))));
    question.selectedIndex = indexes.length - 1;
    for (const side of [left, right]) {
      const chosen = side.selectedIndex;
      side.replaceChildren(...columns.map((column, at) => new Option(column.dataset.label, String(at))));
      side.selectedIndex = chosen >= 0 ? chosen : side === left ? 0 : columns.length - 1;
    }
    compare();
    dialog.showModal();
  }

  for (const field of [question, left, right]) field.addEventListener("change", compare);
  document.getElementById("compare")?.addEventListener("click", open);
}
