// @ts-check
/**
 * The list under the search field: shown while there is something in it, walked with the arrow keys,
 * opened with Enter, closed with Escape. The server makes it; without it Enter opens the search page.
 */

/**
 * @param {HTMLInputElement} field
 * @param {HTMLElement} list
 */
function bind(field, list) {
  const options = () => /** @type {HTMLAnchorElement[]} */ ([...list.querySelectorAll("a[role=option]")]);
  const active = () => options().find((option) => option.getAttribute("aria-selected") === "true");

  let isClosed = false; // by a person: a late answer does not open it again

  /** @param {boolean} open */
  function show(open) {
    list.hidden = !open;
    field.setAttribute("aria-expanded", String(open));
    if (!open) choose(undefined);
  }

  /** @param {HTMLAnchorElement | undefined} option */
  function choose(option) {
    for (const other of options()) other.removeAttribute("aria-selected");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) field.setAttribute("aria-activedescendant", option.id);
    else field.removeAttribute("aria-activedescendant");
  }

  /** @param {number} step */
  function walk(step) {
    const all = options();
    if (list.hidden || !all.length) return;
    const now = active();
    const at = now ? all.indexOf(now) + step : step > 0 ? 0 : all.length - 1;
    choose(all[at]); // before the first and behind the last is the field itself
  }

  /** @param {KeyboardEvent} event */
  function pressed(event) {
    if (event.isComposing) return; // Enter and arrows belong to the input method
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      walk(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && active()) {
      event.preventDefault();
      active()?.click();
    } else if (event.key === "Escape") {
      if (list.hidden) field.blur();
      show(false);
      isClosed = true;
      event.preventDefault(); // the browser would empty the field
    }
  }

  field.addEventListener("keydown", pressed);
  field.addEventListener("input", () => {
    choose(undefined);
    isClosed = false;
  });
  field.addEventListener("focus", () => (isClosed = false));
  let chosen = ""; // a late answer leaves it
  list.addEventListener("htmx:beforeSwap", () => (chosen = active()?.id ?? ""));
  list.addEventListener("htmx:afterSwap", () => {
    choose(options().find((option) => option.id === chosen));
    show(!isClosed && document.activeElement === field && list.childElementCount > 0);
  });
  field.form?.addEventListener("focusout", (event) => {
    if (!field.form?.contains(/** @type {Node | null} */ (event.relatedTarget))) show(false);
  });
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
}

/** Make the field of the top bar find while one types. */
export function bindSearch() {
  const field = document.querySelector("[data-search] input[role=combobox]");
  const list = document.getElementById("found");
  if (field instanceof HTMLInputElement && list) bind(field, list);
}
