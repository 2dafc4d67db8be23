// @ts-check
/** Fragments of a page that keep themselves up to date: which hint is about which, and the swap. */

const NO_WAIT_MS = 300; // a person has just done something, or a job changed
const SLOW_WAIT_MS = 3000; // hosts report every few seconds
const RATES_WAIT_MS = 1500; // and so do engines

/**
 * The topics that a hint is about, as `data-live` names them.
 * @param {{type: string, id?: number, name?: string, job?: number, key?: string}} notification
 * @returns {string[]}
 */
export function topics(notification) {
  const subject = { job: notification.id, deployment: notification.id, rates: notification.id, host: notification.name, points: notification.job, log: notification.key };
  const about = /** @type {Record<string, any>} */ (subject)[notification.type];
  return about === undefined ? [notification.type] : [notification.type, `${notification.type}:${about}`];
}

/**
 * How long to leave a page alone after it was brought up to date, milliseconds.
 * @param {string} type of the hint
 */
export function restMs(type) {
  if (type === "rates") return RATES_WAIT_MS;
  return type === "host" ? SLOW_WAIT_MS : NO_WAIT_MS;
}

/**
 * Is the hint about this element?
 * @param {Element} element
 * @param {string[]} about
 */
export function concerns(element, about) {
  const wanted = (element.getAttribute("data-live") ?? "").split(/\s+/);
  return about.some((topic) => wanted.includes(topic));
}

/**
 * Bring `old` to what the server says now; focus, scroll, open details and charts stay.
 * @param {Element} old
 * @param {Element} fresh
 * @param {(node: Element) => boolean} stays further nodes that stay as they are
 */
export function swap(old, fresh, stays = () => false) {
  const before = [...old.querySelectorAll("[data-announce]")].map((element) => element.textContent);
  Idiomorph.morph(old, fresh, {
    morphStyle: "outerHTML",
    ignoreActiveValue: true,
    callbacks: { beforeNodeMorphed: (/** @type {Node} */ was, /** @type {Node} */ now) => keep(was, now, stays) },
  });
  const now = document.getElementById(old.id);
  if (!now) return;
  htmx.process(now);
  const news = [...now.querySelectorAll("[data-announce]")]
    .map((element) => element.textContent)
    .filter((text) => text && !before.includes(text));
  const announcer = document.getElementById("announcer");
  if (news.length && announcer) announcer.textContent = news.join(". ");
}

/**
 * False for what the browser has made or a person has opened: the server knows nothing of it.
 * @param {Node} old
 * @param {Node} fresh
 * @param {(node: Element) => boolean} stays
 */
function keep(old, fresh, stays) {
  if (!(old instanceof Element)) return true;
  if (old.matches("[data-keep], .plot, .fig-table > .scroll, dialog[open]") || stays(old)) return false;
  if (old.matches("[name=idempotency_key]")) return false; // a second click is still a repeat
  if (old.matches("[data-anew]") && fresh instanceof Element) {
    old.replaceChildren(...fresh.childNodes); // with requests of its own, which are sent again
    return false;
  }
  const folds = old instanceof HTMLDetailsElement && fresh instanceof HTMLDetailsElement;
  if (folds && !fresh.hasAttribute("data-empty")) fresh.open = old.open;
  return true;
}
