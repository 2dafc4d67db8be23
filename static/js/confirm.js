// @ts-check
/**
 * One dialog for all that cannot be taken back: a link to a page that asks (`data-confirm`) shows what that
 * page asks, here. Without scripts, or where the page cannot be had, it stays a link.
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

export function bindConfirm() {
  document.addEventListener("click", async (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-confirm]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    link.closest("details.pop[open]")?.removeAttribute("open");
    const page = await question(link.href).catch(() => null);
    if (page) show(page.title, page.asks, link.href);
    else location.assign(link.href);
  });
}
