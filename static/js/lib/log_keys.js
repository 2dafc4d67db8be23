// @ts-check
/** Keyboard shortcuts of a log: search, line field, panel and page. */

const ASIDE_PX = 80;
const FIELDS = "input, textarea, select";

/**
 * @param {HTMLElement} panel
 * @param {object} on
 * @param {(step: number) => void} on.walk through matches
 * @param {() => void} on.clear the search
 * @param {(text: string) => void} on.goTo a line or a range
 * @param {(step: number) => void} on.toWarning
 * @param {() => void} on.toStart of the log
 * @param {() => void} on.toEnd
 * @param {(pixels: number) => void} on.sideways where lines are not wrapped
 */
export function bindLogKeys(panel, { walk, clear, goTo, toWarning, toStart, toEnd, sideways }) {
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
    if (event.key === "Escape") {
      line.value = "";
      line.dispatchEvent(new Event("input"));
      scroller.focus({ preventScroll: true });
    }
    if (event.key !== "Enter") return;
    event.preventDefault();
    goTo(line.value);
  });
  panel.addEventListener("keydown", (event) => {
    if (!isOurs(event)) return;
    // The browser's smooth scrolling stops when a line is drawn.
    if (event.key === "Home") toStart();
    else if (event.key === "End") toEnd();
    else if (event.key === "ArrowLeft") sideways(-ASIDE_PX);
    else if (event.key === "ArrowRight") sideways(ASIDE_PX);
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (!isOurs(event) || document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase();
    const inPanel = event.target instanceof Node && panel.contains(event.target);
    if (key === "e") toWarning(event.shiftKey ? -1 : 1);
    else if (key === "m" && inPanel && search.value) walk(event.shiftKey ? -1 : 1);
    else return;
    event.preventDefault();
    if (!inPanel) panel.scrollIntoView({ block: "nearest" });
  }, { capture: true });
}

/** @param {KeyboardEvent} event */
function isOurs(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  return !(event.target instanceof Element && event.target.closest(FIELDS));
}
