// @ts-check
/** Keys of a log: in its search, in its field for a line, and anywhere in the panel. */

const FIELDS = "input, textarea, select";

/**
 * @param {HTMLElement} panel
 * @param {object} on
 * @param {(step: number) => void} on.walk through matches
 * @param {() => void} on.clear the search
 * @param {(text: string) => boolean} on.goTo false: that is no line
 * @param {(step: number) => void} on.toWarning
 * @param {() => void} on.toStart of the log
 * @param {() => void} on.toEnd
 */
export function bindLogKeys(panel, { walk, clear, goTo, toWarning, toStart, toEnd }) {
  const part = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (panel.querySelector(`[data-log="${name}"]`));
  const [search, line, scroller] = ["search", "line", "scroller"].map(part);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      walk(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape" && search.value) {
      event.stopPropagation();
      clear();
    }
  });
  line.addEventListener("keydown", (event) => {
    if (event.key === "Escape") scroller.focus({ preventScroll: true });
    if (event.key !== "Enter") return;
    event.preventDefault();
    line.classList.toggle("is-invalid", !goTo(line.value));
  });
  panel.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.matches(FIELDS)) return;
    const step = event.shiftKey ? -1 : 1;
    const key = event.key.toLowerCase();
    if (key === "n" && search.value) walk(step);
    else if (key === "e") toWarning(step);
    // The browser's own way there is smooth, and ends where a line is drawn meanwhile.
    else if (key === "home") toStart();
    else if (key === "end") toEnd();
    else return;
    event.preventDefault();
  });
}
