// @ts-check
/** Job page: folding of its file lists. */

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
