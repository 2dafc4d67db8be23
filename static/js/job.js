// @ts-check
/** The page of one job: the question before a cancel, folds of its files, and clocks of what runs. */

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

/** One press opens all folds of a list, the next one folds them again. */
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-unfold]") : null;
  if (!(button instanceof HTMLElement)) return;
  const list = document.querySelector(button.dataset.unfold ?? "");
  const folds = [...(list?.querySelectorAll("details") ?? [])];
  const open = folds.some((fold) => !fold.open);
  for (const fold of folds) fold.open = open;
  button.dataset.showWords ??= button.textContent ?? "";
  button.textContent = (open ? button.dataset.foldWords : button.dataset.showWords) ?? "";
});

tick();
setInterval(tick, 1000);
