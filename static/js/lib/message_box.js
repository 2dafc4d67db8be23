// @ts-check
/** The field of a message: as high as what is typed, and ready to type into. The way back to the end. */

const MOST_OF_WINDOW = 0.4;
const IME_KEY = 229; // keyCode of a key that an input method took

/** @param {HTMLTextAreaElement} field @returns {() => void} call it after a change by a script */
export function bindMessageBox(field) {
  const fit = () => {
    field.style.height = "auto";
    const border = field.offsetHeight - field.clientHeight;
    field.style.height = `${Math.min(field.scrollHeight + border, innerHeight * MOST_OF_WINDOW)}px`;
  };
  field.addEventListener("input", fit);
  addEventListener("resize", fit);
  fit();
  // On a phone the keyboard would cover the chat; who searches for a chat is there.
  const isFree = document.activeElement === document.body && !location.hash && !location.search.includes("q=");
  if (isFree && matchMedia("(hover: hover)").matches) field.focus({ preventScroll: true });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") field.blur(); // the keys of the page again
  });
  return fit;
}

/**
 * Show the button while the end is out of sight.
 * @param {HTMLElement} button
 * @param {Element} end stands after all turns
 * @param {() => void} toEnd
 */
export function bindToEnd(button, end, toEnd) {
  new IntersectionObserver((seen) => {
    button.hidden = seen.at(-1)?.isIntersecting ?? true;
  }).observe(end);
  button.addEventListener("click", toEnd);
}

/**
 * Enter sends, Shift Enter is a new line, Escape stops.
 * @param {HTMLFormElement} form
 * @param {HTMLTextAreaElement} field
 * @param {{ send: () => void, stop: () => void, isBusy: () => boolean }} chat
 */
export function bindSending(form, field, { send, stop, isBusy }) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  field.addEventListener("keydown", (event) => {
    // Enter that ends a word in an input method is not for us. Safari sends it after the composition.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === IME_KEY) return;
    event.preventDefault();
    form.requestSubmit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isBusy() && !document.querySelector("dialog[open], details.pop[open]")) stop();
  });
}
