// @ts-check
/**
 * Tabs: links to sections of a page, of which one is shown: that of the address, or that with the element of
 * the address. Markup: templates/_tabs.html. Without this script, look.css shows the section of the address.
 */

const STEPS = new Map([["ArrowRight", 1], ["ArrowLeft", -1]]);

/** @param {HTMLElement} tabbed */
function bind(tabbed) {
  const row = /** @type {HTMLElement} */ (tabbed.querySelector(".tabrow"));
  const tabs = [...row.querySelectorAll("a")];
  const panels = tabs.map((tab) => /** @type {HTMLElement} */ (document.getElementById(tab.hash.slice(1))));

  /** @param {number} at */
  function show(at) {
    tabs.forEach((tab, index) => {
      tab.setAttribute("aria-selected", String(index === at));
      tab.tabIndex = index === at ? 0 : -1;
      panels[index].hidden = index !== at;
    });
    // Charts and long tables measure themselves now that they have a size.
    dispatchEvent(new Event("resize"));
  }

  /** @param {number} at */
  function open(at) {
    if (location.hash !== tabs[at].hash) history.pushState(null, "", tabs[at].hash);
    show(at);
  }

  /** Show the section of the address, by default the first one. */
  function follow() {
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const at = panels.findIndex((panel) => panel.contains(named));
    show(Math.max(0, at));
    if (at >= 0 && named !== panels[at]) named?.scrollIntoView();
  }

  row.setAttribute("role", "tablist");
  tabs.forEach((tab, index) => {
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panels[index].id);
    panels[index].setAttribute("role", "tabpanel");
    tab.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(index);
    });
  });
  row.addEventListener("keydown", (event) => {
    const from = tabs.indexOf(/** @type {HTMLAnchorElement} */ (event.target));
    const step = STEPS.get(event.key);
    if (from < 0 || !(step || event.key === "Home" || event.key === "End")) return;
    event.preventDefault();
    const to = step ? (from + step + tabs.length) % tabs.length : event.key === "Home" ? 0 : tabs.length - 1;
    open(to);
    tabs[to].focus();
  });
  addEventListener("hashchange", follow);
  follow();
  tabbed.dataset.ready = "";
}

for (const tabbed of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-tabs]"))) bind(tabbed);
