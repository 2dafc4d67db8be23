// @ts-check
/** A message of one's own that is edited in its place: it is sent as a new branch. */

import { partOf } from "./turn_view.js";

const MOST_ROWS = 14;

/**
 * @param {HTMLElement} turn
 * @param {(text: string) => void} send
 */
export function editMessage(turn, send) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById("edit-message"));
  const message = partOf(turn, "prompt");
  const tools = /** @type {HTMLElement} */ (turn.querySelector(".of-message"));
  document.querySelector("form.edit [data-cancel]")?.dispatchEvent(new MouseEvent("click")); // one at a time
  const form = /** @type {HTMLFormElement} */ (template.content.firstElementChild?.cloneNode(true));
  const field = /** @type {HTMLTextAreaElement} */ (form.querySelector("textarea"));
  field.value = message.textContent ?? "";
  field.rows = Math.min(MOST_ROWS, field.value.split("\n").length + 1);
  const close = () => {
    form.remove();
    message.hidden = tools.hidden = false;
  };
  message.hidden = tools.hidden = true;
  message.after(form);
  field.focus();
  form.querySelector("[data-cancel]")?.addEventListener("click", close);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    close();
    /** @type {HTMLElement | null} */ (tools.querySelector("[data-edit]"))?.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(field.value);
  });
}
