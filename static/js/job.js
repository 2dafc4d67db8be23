// @ts-check
/** The page of one job: the question before a cancel, and clocks of what runs. */

/** @param {number} seconds */
function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  if (whole < 60) return `${whole} ${gettext("s")}`;
  if (whole < 3600) {
    return `${Math.floor(whole / 60)} ${gettext("min")} ${two(whole % 60)} ${gettext("s")}`;
  }
  const minutes = Math.floor(whole / 60);
  return `${Math.floor(minutes / 60)} ${gettext("h")} ${two(minutes % 60)} ${gettext("min")}`;
}

function tick() {
  for (const clock of document.querySelectorAll("[data-runs-since]")) {
    const since = Date.parse(clock.getAttribute("data-runs-since") ?? "");
    if (!Number.isNaN(since)) clock.textContent = span((Date.now() - since) / 1000);
  }
}

/** A link to a page that asks becomes a dialog that asks; without scripts it stays a link. */
document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element)) return;
  const link = event.target.closest("[data-dialog]");
  const dialog = document.querySelector(link?.getAttribute("data-dialog") ?? "#none");
  if (!(dialog instanceof HTMLDialogElement)) return;
  event.preventDefault();
  dialog.showModal();
});

tick();
setInterval(tick, 1000);
