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

// Modules wait for each other: if a file fails to load, load the page again, as long as nobody has typed.
(function () {
  "use strict";
  const MOST = 5;
  const key = "reloads " + location.pathname;
  let store = null;
  let isWhole = true;
  let isTyped = false;
  try {
    store = sessionStorage;
  } catch {
    // Storage may be forbidden: without a count no reload.
  }
  function say() {
    document.getElementById("unloaded")?.removeAttribute("hidden");
  }
  async function reload(file) {
    const done = Number(store?.getItem(key) ?? 0);
    if (!store || done >= MOST || document.documentElement.dataset.method !== "GET") return;
    store.setItem(key, String(done + 1));
    await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** done));
    const answer = await fetch(file, { cache: "reload" }).catch(() => null);
    if (isTyped) return;
    if (answer?.ok) location.reload();
    else reload(file);
  }
  function failed({ target }) {
    const isFile = target instanceof HTMLScriptElement || (target instanceof HTMLLinkElement && target.rel === "stylesheet");
    if (!isFile) return;
    if (isWhole) reload(target.src || target.href);
    isWhole = false;
    say();
  }
  addEventListener("input", () => (isTyped = true), { capture: true, once: true });
  addEventListener("error", failed, true);
  addEventListener("load", function () {
    if (isWhole) store?.removeItem(key);
    else say();
  });
})();
