// @ts-check
/** The page of one job: the question before a cancel, and folds of its files. */

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
