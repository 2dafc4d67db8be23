// @ts-check
/** The line above the message: what happens now, for how long. Spoken once a change, never by the clock. */

const STALLED_MS = 8000;
const TICK_MS = 100;

export class StateLine {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.word = /** @type {HTMLElement} */ (element.querySelector("[data-word]"));
    this.clock = /** @type {HTMLElement} */ (element.querySelector("[data-clock]"));
    this.detail = /** @type {HTMLElement} */ (element.querySelector("[data-detail]"));
    this.ticker = 0;
    this.reset();
  }

  reset() {
    this.state = "";
    this.began = 0;
    this.sent = 0;
    this.firstAt = 0;
    this.answerAt = 0;
    this.lastAt = 0;
    this.deltas = 0;
  }

  /** A question is on its way. */
  begin() {
    this.reset();
    this.sent = performance.now();
    this.element.hidden = false;
    this.#enter("queued", gettext("queued"));
    clearInterval(this.ticker);
    this.ticker = window.setInterval(() => this.#tick(), TICK_MS);
  }

  /** The engine has it. @param {number} ageMs how long already, for a page that came later */
  accepted(ageMs) {
    if (ageMs > 1000) this.sent = performance.now() - ageMs;
    if (!this.deltas) this.#enter("prefill", gettext("reading the prompt"));
  }

  /**
   * @param {import("./reasoning.js").Gatherer} gatherer
   * @param {import("./reasoning.js").Parts} parts
   */
  arrived(gatherer, parts) {
    const now = performance.now();
    this.lastAt = now;
    this.deltas = gatherer.deltas;
    if (!gatherer.deltas) return;
    this.firstAt ||= now;
    if (parts.answer) {
      this.answerAt ||= now;
      this.#enter("answering", gettext("answering"));
    } else if (parts.reasoning) {
      this.#enter("thinking", gettext("thinking"));
    }
  }

  /** The connection to the dashboard is lost; it is tried again. */
  offline() {
    this.#enter("offline", gettext("connection lost, trying again"));
  }

  end() {
    clearInterval(this.ticker);
    this.element.hidden = true;
  }

  /** Seconds from the first token to the first of the answer, or until now. */
  thinkingSeconds() {
    return this.firstAt ? ((this.answerAt || performance.now()) - this.firstAt) / 1000 : 0;
  }

  /** @param {string} state @param {string} word */
  #enter(state, word) {
    if (this.state === state) return;
    this.state = state;
    this.began = performance.now();
    this.word.textContent = word;
    const announcer = document.getElementById("announcer");
    if (announcer) announcer.textContent = word;
    this.#tick();
  }

  #tick() {
    const now = performance.now();
    if (["thinking", "answering"].includes(this.state) && now - this.lastAt > STALLED_MS)
      this.#enter("stalled", gettext("stalled: nothing has come for a while"));
    const since = this.state === "prefill" ? this.sent : this.began;
    this.clock.textContent = `${((now - since) / 1000).toFixed(1)} s`;
    const details = [];
    if (this.firstAt) {
      details.push(interpolate(gettext("first token after %(s)s s"), { s: ((this.firstAt - this.sent) / 1000).toFixed(2) }, true));
      const span = (this.lastAt - this.firstAt) / 1000;
      if (span > 0.5) details.push(`${((this.deltas - 1) / span).toFixed(1)} tok/s`);
      details.push(interpolate(ngettext("%(n)s token", "%(n)s tokens", this.deltas), { n: this.deltas }, true));
    }
    this.detail.textContent = details.join(" · ");
  }
}
