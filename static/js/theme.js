// The theme before the first paint: the stored choice, else the system's. Not a module, so that it blocks.
(function () {
  "use strict";
  const root = document.documentElement;
  let stored = null;
  try {
    stored = localStorage.getItem("theme");
    // Where filters have no room beside a list they are shut unless they were opened: js/results.js.
    if (localStorage.getItem("filters") !== "open") root.dataset.filters = "shut";
  } catch {
    // Storage may be forbidden: the system's theme is used then.
  }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  root.dataset.bsTheme = stored || (dark.matches ? "dark" : "light");
  dark.addEventListener("change", function () {
    let chosen = null;
    try {
      chosen = localStorage.getItem("theme");
    } catch {
      // As above.
    }
    if (chosen) return;
    root.dataset.bsTheme = dark.matches ? "dark" : "light";
    document.dispatchEvent(new CustomEvent("theme"));
  });
})();
