// @ts-check
/** What every page has: theme, keys, menus, the viewer's zone, copy buttons. */

import { bindKeys } from "./keys.js";
import { bindCopy } from "./copy.js";

const root = document.documentElement;

/** The viewer's zone, for times that the server writes. */
function rememberZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `tz=${zone}; path=${root.dataset.root}; max-age=31536000; samesite=lax`;
}

function switchTheme() {
  const theme = root.dataset.bsTheme === "dark" ? "light" : "dark";
  root.dataset.bsTheme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Storage may be forbidden: the theme then lasts as long as the page.
  }
  document.dispatchEvent(new CustomEvent("theme"));
}

/** A menu closes when something else is clicked, and at Escape. */
function closeMenus(/** @type {Event} */ event) {
  for (const menu of document.querySelectorAll("details.pop[open]")) {
    if (!menu.contains(/** @type {Node} */ (event.target))) menu.removeAttribute("open");
  }
}

/** "3 s ago" grows older by itself. */
function ageTimes() {
  for (const element of document.querySelectorAll("time[data-since]")) {
    const passed = Math.max(0, (Date.now() - Date.parse(element.getAttribute("datetime") || "")) / 1000);
    if (passed < 60) element.textContent = interpolate(gettext("%(n)s s ago"), { n: Math.floor(passed) }, true);
    else if (passed < 3600)
      element.textContent = interpolate(gettext("%(n)s min ago"), { n: Math.floor(passed / 60) }, true);
  }
}

rememberZone();
bindKeys();
bindCopy();
document.getElementById("theme")?.addEventListener("click", switchTheme);
document.addEventListener("click", closeMenus);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.pop[open]")) {
    menu.removeAttribute("open");
    menu.querySelector("summary")?.focus();
  }
});
setInterval(ageTimes, 1000);
