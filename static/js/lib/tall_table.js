// @ts-check
/**
 * A long table that fits its panel is scrolled by the page, and its heads stay below the bar; one
 * that does not scrolls inside itself. Which it is changes with the window and with what is shown.
 */

/**
 * @param {Element} holder
 */
function measure(holder) {
  const table = holder.querySelector("table");
  if (table) holder.classList.toggle("fits", table.scrollWidth <= holder.clientWidth && table.offsetWidth <= holder.clientWidth);
}

/** Bind every `[data-tall]` of the page, and those that come with new content. */
export function bindTallTables() {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const holder = target.closest("[data-tall]");
      if (holder) measure(holder);
    }
  });
  function bind() {
    for (const holder of document.querySelectorAll("[data-tall]")) {
      for (const element of [holder, ...holder.querySelectorAll("table")]) observer.observe(element);
      measure(holder);
    }
  }
  document.addEventListener("live:updated", bind);
  bind();
}
