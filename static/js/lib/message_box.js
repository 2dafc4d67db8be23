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
  // On a phone the keyboard would cover the chat.
  if (matchMedia("(hover: hover)").matches && !location.hash) field.focus({ preventScroll: true });
  return fit;
}

/**
 * Show the button while the end is out of sight.
 * @param {HTMLElement} button
 * @param {Element} end stands after all turns
 * @param {() => void} toEnd
 */
export function bindToEnd(button, end, toEnd) {
  new IntersectionObserver(([seen]) => {
    button.hidden = seen.isIntersecting;
  }).observe(end);
  button.addEventListener("click", toEnd);
}
