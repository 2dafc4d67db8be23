// @ts-check
/** Result list: filters apply immediately, a selection opens the bar. */

const MOST = 8;
const facets = /** @type {HTMLFormElement | null} */ (document.querySelector("[data-facets]"));
const form = /** @type {HTMLFormElement | null} */ (document.querySelector("[data-select]"));

/** Bind the button of the filters above the list; their state is kept on the next page. */
function bindFilters(/** @type {HTMLElement} */ button) {
  const { dataset } = document.documentElement;
  const show = () => button.setAttribute("aria-expanded", String(dataset.filters !== "shut"));
  button.addEventListener("click", () => {
    if (dataset.filters === "shut") delete dataset.filters;
    else dataset.filters = "shut";
    try {
      localStorage.setItem("filters", dataset.filters ?? "open");
    } catch {
      // Without storage the choice is not kept.
    }
    show();
  });
  show();
}

if (facets) {
  document.documentElement.classList.add("js-facets");
  facets.addEventListener("change", () => facets.requestSubmit());
  // Omit empty values from the URL.
  facets.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });
  const button = document.querySelector("[data-facets-open]");
  if (button instanceof HTMLElement) bindFilters(button);
}

/** @param {HTMLFormElement} list */
function bindSelection(list) {
  const bar = /** @type {HTMLElement} */ (list.querySelector("[data-bar]"));
  const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (bar.querySelector(`[data-${name}]`));
  const submit = /** @type {HTMLButtonElement} */ (bar.querySelector("[data-compare]"));

  function show() {
    const boxes = /** @type {HTMLInputElement[]} */ ([...list.querySelectorAll("input[name=id]")]);
    for (const box of boxes) box.closest("tr")?.classList.toggle("on", box.checked);
    const chosen = boxes.filter((box) => box.checked).toSorted(older);
    bar.hidden = chosen.length === 0;
    part("count").textContent = interpolate(ngettext("%(n)s selected", "%(n)s selected", chosen.length), { n: chosen.length }, true);
    part("names").textContent = chosen.map((box) => box.value).join(", ");
    part("why").textContent = problem(chosen);
    submit.disabled = problem(chosen) !== "";
  }

  // The oldest result is the baseline, independent of the list's order.
  list.addEventListener("formdata", (event) => {
    const ids = event.formData.getAll("id").map(String).toSorted(byNumber);
    event.formData.delete("id");
    for (const id of ids) event.formData.append("id", id);
  });
  // The form of the tags has the selection of this list.
  const tagging = document.getElementById("tagging");
  tagging?.addEventListener("formdata", (event) => {
    for (const box of list.querySelectorAll("input[name=id]:checked")) {
      if (box instanceof HTMLInputElement) event.formData.append("id", box.value);
    }
  });
  list.addEventListener("change", show);
  list.addEventListener("reset", () => setTimeout(show));
  window.addEventListener("pageshow", show);
  show();
}

/** Compare numbers of results, "res-9" before "res-10". @param {string} a @param {string} b */
function byNumber(a, b) {
  return a.localeCompare(b, "en", { numeric: true });
}

/** Compare results by age. @param {HTMLInputElement} a @param {HTMLInputElement} b */
function older(a, b) {
  return byNumber(a.value, b.value);
}

/** Return why the selection cannot be compared, "" when it can. @param {HTMLInputElement[]} chosen */
function problem(chosen) {
  if (chosen.length < 2) return gettext("Select at least two results.");
  if (chosen.length > MOST) return interpolate(gettext("Select at most %(n)s results."), { n: MOST }, true);
  if (new Set(chosen.map((box) => box.dataset.type)).size > 1)
    return gettext("A benchmark and an evaluation have no common metrics.");
  return "";
}

if (form) bindSelection(form);
