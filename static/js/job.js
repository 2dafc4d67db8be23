// @ts-check
/** Job page: folding of its file lists, the pipeline's current job, and the job's end. */

const READ_PX = 100; // a page that is scrolled further is being read

document.querySelector(".pipe [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

/** A job that ends while its page is open: the outcome comes first, unless somebody reads the log. */
document.addEventListener("live:updated", function ended() {
  const body = document.querySelector(".one-job");
  if (!body?.querySelector("[data-ended]")) return;
  document.removeEventListener("live:updated", ended);
  const log = body.querySelector(".logpanel");
  const isRead = log && (log.hasAttribute("data-log-read") || log.contains(document.activeElement));
  if (body.classList.contains("ended") || isRead || scrollY > READ_PX) return;
  body.classList.add("ended");
  /** @type {HTMLElement | null | undefined} */ (log?.querySelector("[data-do=fold]"))?.click();
});

/** Toggle all folds of a list. */
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
