// @ts-check
/**
 * A long table that fits its panel scrolls with the page, with sticky headings below the bar; a wider
 * table scrolls inside its panel. Window size and content can change this.
 */

/**
 * @param {Element} holder
 */
function measure(holder) {
  const table = holder.querySelector("table");
  if (table) holder.classList.toggle("fits", table.scrollWidth <= holder.clientWidth && table.offsetWidth <= holder.clientWidth);
}

/** Bind every `[data-tall]` of the page and of new content. */
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
