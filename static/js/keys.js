// @ts-check
/**
 * One key, one thing: an element with `data-key="n"` is clicked, or focused if it is typed into, when
 * that key is pressed outside of a field. Ctrl-K opens the search from anywhere. J and K walk through the
 * links of a `[data-walk]` list.
 */

const FIELDS = "input, textarea, select, [contenteditable='true']";

/** @param {KeyboardEvent} event */
function isTyping(event) {
  return event.target instanceof Element && event.target.closest(FIELDS) !== null;
}

/** @param {number} step */
function walk(step) {
  const links = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-walk] a[data-step]")]);
  if (!links.length) return;
  const at = links.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step;
  links[Math.min(links.length - 1, Math.max(0, next))].focus();
}

function openHelp() {
  const help = /** @type {HTMLDialogElement | null} */ (document.getElementById("keys"));
  if (help && !help.open) help.showModal();
}

/** Focus the search from anywhere, also from another field. @param {KeyboardEvent} event */
function openSearch(event) {
  const field = /** @type {HTMLInputElement | null} */ (document.querySelector("[data-search] input[type=search]"));
  if (!field || document.querySelector("dialog[open]")) return;
  event.preventDefault(); // the browser's own search
  field.focus();
  field.select();
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key === "k") return openSearch(event);
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?") {
    openHelp();
  } else if (event.key === "j" || event.key === "k") {
    walk(event.key === "j" ? 1 : -1);
  } else {
    const all = document.querySelectorAll(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    // Of a chat's thoughts the newest.
    const target = /** @type {HTMLElement | undefined} */ (
      [...all].filter((one) => one.checkVisibility()).at(-1)
    );
    if (!target) return;
    event.preventDefault();
    if (target.matches(FIELDS)) {
      target.focus();
      if (target instanceof HTMLInputElement) target.select(); // what is typed replaces what was
    }
    else target.click();
  }
}

/** Listen for the whole page. */
export function bindKeys() {
  document.addEventListener("keydown", pressed);
  for (const button of document.querySelectorAll("[data-keys-open]")) button.addEventListener("click", openHelp);
}
