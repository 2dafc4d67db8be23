// @ts-check
/** Copying text, also where the page is not served over HTTPS and the clipboard API is absent. */

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether the text is on the clipboard
 */
export async function copyText(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed here: the old way below may be.
    }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "vh";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/**
 * Copy, and say so on the button that was pressed.
 * @param {HTMLElement} button
 * @param {string} text
 */
export async function copyFrom(button, text) {
  const done = await copyText(text);
  const label = button.querySelector("span") ?? button;
  const before = label.textContent;
  label.textContent = done ? gettext("Copied") : gettext("Not copied: select it by hand");
  setTimeout(() => {
    label.textContent = before;
  }, 1600);
}

/** Bind every `[data-copy="#id"]` of the page, also those that come later. */
export function bindCopy() {
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const button = event.target.closest("[data-copy]");
    if (!(button instanceof HTMLElement)) return;
    const source = document.querySelector(button.dataset.copy ?? "");
    const text = source instanceof HTMLTemplateElement ? source.content : source;
    if (text) copyFrom(button, text.textContent ?? "");
  });
}
