// @ts-check
/**
 * One dialog for all that hurts: a link or a form to a page that asks (`data-confirm`) shows what that page
 * asks, here. Without scripts, or where the page cannot be had, the page itself is opened.
 */

const TITLE = "confirm-title";

/** @param {string} address @returns {Promise<{title: string, asks: Element} | null>} */
async function question(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const asks = page.querySelector("[data-confirm-page]");
  const title = page.querySelector("main h1")?.textContent?.trim() ?? "";
  return answer.ok && asks ? { title, asks } : null;
}

/** @param {string} title @param {Element} asks @param {string} address of the page that asks */
function show(title, asks, address) {
  const dialog = document.createElement("dialog");
  dialog.className = "sheet confirm";
  dialog.setAttribute("aria-labelledby", TITLE);
  const heading = document.createElement("h2");
  heading.id = TITLE;
  heading.textContent = title;
  dialog.append(heading, ...[...asks.children].map((child) => document.importNode(child, true)));
  // A form without an address is its own page's.
  for (const form of dialog.querySelectorAll("form:not([action])")) form.setAttribute("action", address);
  const back = dialog.querySelector("[data-back]");
  back?.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  // What changes nothing has the focus: a stray Enter must not delete.
  if (back instanceof HTMLElement) back.focus();
}

/** @param {string} address */
async function ask(address) {
  const page = await question(address).catch(() => null);
  if (page) show(page.title, page.asks, address);
  else location.assign(address);
}

export function bindConfirm() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.matches("[data-confirm]")) return;
    event.preventDefault();
    const typed = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
    ask(`${form.action}?${new URLSearchParams(typed)}`);
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-confirm]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    link.closest("details.pop[open]")?.removeAttribute("open");
    ask(link.href);
  });
}
