// @ts-check
/** The same chat in several tabs and browsers: what another one asked appears here. */

/**
 * @param {HTMLElement} convo with `data-chat`
 * @param {() => boolean} isBusy a turn is being watched here
 * @param {(turn: HTMLElement) => void} show make a turn that came live
 * @returns {{ tell: () => void, look: () => Promise<void> }} tell the other tabs of a change; read the page again
 */
export function bindSync(convo, isBusy, show) {
  const chat = convo.dataset.chat;
  if (!chat) return { tell: () => {}, look: async () => {} };
  let isAsking = false;

  async function look() {
    if (isBusy() || isAsking) return;
    isAsking = true;
    const response = await fetch(location.href).catch(() => null);
    isAsking = false;
    if (!response?.ok || isBusy()) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const inChat = `[data-convo][data-chat="${chat}"] > [data-turn]`;
    const fresh = /** @type {HTMLElement[]} */ ([...page.querySelectorAll(inChat)]);
    for (const turn of fresh) take(turn);
    const end = Number(fresh.at(-1)?.dataset.index);
    const here = /** @type {HTMLElement[]} */ ([...convo.querySelectorAll("[data-turn]")]);
    for (const turn of here) if (Number(turn.dataset.index) > end) turn.remove();
  }

  /** @param {HTMLElement} turn */
  function take(turn) {
    const here = /** @type {HTMLElement | null} */ (convo.querySelector(`[data-index="${turn.dataset.index}"]`));
    const first = /** @type {HTMLElement | null} */ (convo.querySelector("[data-turn]"));
    if (Number(turn.dataset.index) < Number(first?.dataset.index ?? 0)) return; // of an earlier page
    if (here?.dataset.turn === turn.dataset.turn && here?.dataset.state === turn.dataset.state) return;
    if (here) here.replaceWith(turn);
    else convo.append(turn);
    convo.querySelector("[data-empty]")?.remove();
    show(turn);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
  // Of other browsers: a hint of the dashboard.
  document.addEventListener("live:notification", (event) => {
    const { type, id } = /** @type {CustomEvent} */ (event).detail;
    if (type === "chat" && String(id) === chat) look();
  });
  const channel = new BroadcastChannel(`chat-${chat}`);
  channel.addEventListener("message", look);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has one origin
  return { tell: () => channel.postMessage("changed"), look };
}
