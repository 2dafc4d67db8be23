// @ts-check
/** The field of a message: as high as what is typed, and ready to type into. The way back to the end. */

const MOST_OF_WINDOW = 0.4;

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
