// @ts-check
/** Summary of a launch form's checks next to the button: blocked, warnings, passed. */

/** @param {string} state @param {number} n */
function countText(state, n) {
  if (state === "failed") return interpolate(ngettext("%(n)s blocked", "%(n)s blocked", n), { n }, true);
  if (state === "warning") return interpolate(ngettext("%(n)s warning", "%(n)s warnings", n), { n }, true);
  return interpolate(ngettext("%(n)s passed", "%(n)s passed", n), { n }, true);
}

/** Count now and on every change of checks: an empty answer fires no event. */
export function watchChecks() {
  const page = document.querySelector(".two.launch");
  if (page) new MutationObserver(countChecks).observe(page, { childList: true, subtree: true });
  countChecks();
}

function countChecks() {
  const summary = document.querySelector("[data-checked]");
  if (!summary) return;
  const checks = document.getElementById("checks");
  for (const state of ["failed", "warning", "passed"]) {
    const n = document.querySelectorAll(`[data-check="${state}"]`).length;
    const place = summary.querySelector(`[data-count="${state}"]`);
    place?.toggleAttribute("hidden", n === 0);
    const text = place?.querySelector("span");
    if (text) text.textContent = n ? countText(state, n) : "";
  }
  // Requested, or not answered yet.
  const isWaiting = checks?.querySelector('[data-preflight="waits"], div[hx-post]') !== null && checks !== null;
  summary.querySelector('[data-count="waits"]')?.toggleAttribute("hidden", !isWaiting);
}
