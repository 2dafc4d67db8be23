// @ts-check
/** Copy buttons: `data-copy="#id"` copies the text of that element, `data-copy-text="…"` copies itself. */

/** @param {HTMLElement} button */
function textOf(button) {
  if (button.dataset.copyText !== undefined) return button.dataset.copyText;
  const source = document.querySelector(button.dataset.copy || "");
  if (source instanceof HTMLTextAreaElement || source instanceof HTMLInputElement) return source.value;
  return source?.textContent ?? "";
}

/**
 * The clipboard needs a secure context; plain HTTP in a team's network is not one.
 * @param {string} text
 */
async function write(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "vh";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** @param {HTMLElement} button */
async function copy(button) {
  await write(textOf(button));
  const word = button.querySelector("[data-word]") ?? button;
  const label = gettext("Copied");
  if (word.textContent === label) return; // clicked again meanwhile
  const before = word.textContent;
  word.textContent = label;
  setTimeout(() => {
    word.textContent = before;
  }, 1500);
}

/** One listener for the page: buttons may come later. */
export function bindCopy() {
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const button = /** @type {HTMLElement | null} */ (event.target.closest("[data-copy], [data-copy-text]"));
    if (button) copy(button);
  });
}
