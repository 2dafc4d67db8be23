// @ts-check
/** One turn in the page: reads its stream, shows reasoning and answer as they come. */

import { readAgain } from "./again.js";
import { foldFiles } from "./chat_files.js";
import { Follower } from "./follow.js";
import { MarkdownView } from "./markdown_view.js";
import { Gatherer } from "./reasoning.js";
import { RepeatWatch } from "./repeats.js";
import { EventDecoder } from "./sse.js";
import { StreamClock } from "./stream_clock.js";

const DRAW_MS = 60;
const RETRY_MS = [500, 1000, 2000, 4000];

/**
 * @typedef {object} Surroundings
 * @property {string} relay where the relay's turns are
 * @property {Record<string, string>} csrf headers of a request that changes something
 * @property {import("./chat_state.js").StateLine} line
 * @property {Follower} page
 */

/** @param {HTMLElement} element `.exchange` @param {string} name @returns {HTMLElement} */
export function partOf(element, name) {
  return /** @type {HTMLElement} */ (element.querySelector(`[data-part=${name}]`));
}

/** A turn that has ended, as it came from the dashboard. @param {HTMLElement} element @param {Follower} page */
export function showEnded(element, page) {
  foldFiles(partOf(element, "prompt"));
  for (const name of ["reasoning", "answer"]) {
    const part = partOf(element, name);
    const text = part.textContent ?? "";
    if (!text) continue;
    fillCopy(element, name, text);
    const view = new MarkdownView(part);
    view.onSlice = () => page.keep();
    view.update(text, true);
  }
}

/** A copy button has the text as the model wrote it. @param {HTMLElement} element @param {string} name @param {string} text */
function fillCopy(element, name, text) {
  const button = /** @type {HTMLElement | null} */ (element.querySelector(`[data-copy-part=${name}]`));
  if (button) button.dataset.copyText = text;
}

/** The thought in full height, or low again, by its button. @param {HTMLElement} button */
export function expand(button) {
  if (button.dataset.expand === undefined) return;
  const isTall = button.closest("[data-part=think]")?.classList.toggle("tall") ?? false;
  button.setAttribute("aria-pressed", String(isTall));
}

export class TurnView {
  /**
   * @param {HTMLElement} element `.exchange`
   * @param {Surroundings} surroundings
   */
  constructor(element, surroundings) {
    this.element = element;
    foldFiles(partOf(element, "prompt"));
    this.surroundings = surroundings;
    this.thinks = element.hasAttribute("data-thinks");
    this.gatherer = new Gatherer();
    this.repeats = new RepeatWatch();
    this.offset = 0;
    this.decoder = new EventDecoder();
    this.timer = 0;
    this.hasNews = false;
    this.hasFolded = false;
    this.isJoined = false;
    /** The answer that this turn continues; "" for a new one. */
    this.begun = partOf(element, "answer").textContent ?? "";
    this.parts = this.gatherer.parts(false);
    this.drawn = { reasoning: "", answer: "" };
    this.answer = new MarkdownView(partOf(element, "answer"));
    this.reasoning = new MarkdownView(partOf(element, "reasoning"));
    this.thought = new Follower(partOf(element, "reasoning"));
    this.clock = new StreamClock((offsets) => this.#times(offsets));
    this.answer.onSlice = () => surroundings.page.keep();
    this.reasoning.onSlice = () => {
      this.thought.keep();
      surroundings.page.keep();
    };
  }

  /**
   * Follow the stream to its end, over lost connections.
   * @returns {Promise<string>} what went wrong between page and dashboard; "" when all is well
   */
  async follow() {
    const { line } = this.surroundings;
    if (this.begun) this.answer.update(this.begun);
    line.begin(() => this.#progress());
    for (let attempt = 0; ; attempt += 1) {
      const before = this.offset;
      try {
        const refusal = await this.#read();
        if (refusal) {
          line.end();
          return refusal;
        }
        break;
      } catch {
        if (this.offset > before) attempt = 0;
        if (attempt >= RETRY_MS.length) {
          line.end();
          return gettext("The dashboard does not respond. Reload the page to see the answer so far.");
        }
        line.offline();
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS[attempt]));
      }
    }
    await this.#finish();
    return "";
  }

  /** End the engine's work. */
  async stop() {
    const { relay, csrf } = this.surroundings;
    await fetch(`${relay}${this.element.dataset.turn}/stop`, { method: "POST", headers: csrf });
  }

  /** @param {number[]} offsets @returns {Promise<(number | null)[]>} */
  async #times(offsets) {
    const { relay } = this.surroundings;
    const response = await fetch(`${relay}${this.element.dataset.turn}/times?at=${offsets.join(",")}`);
    return (await response.json()).ms;
  }

  /** One connection, from our offset. @returns {Promise<string>} why the dashboard refused; "" if it did not */
  async #read() {
    const { relay, csrf, line } = this.surroundings;
    const address = `${relay}${this.element.dataset.turn}/start?from=${this.offset}`;
    const response = await fetch(address, { method: "POST", headers: csrf });
    if (!response.ok || !response.body) return `${response.status} ${response.statusText}`;
    const age = response.headers.get("x-turn-age-ms");
    this.clock.joined(age === null ? null : Number(age), Number(response.headers.get("x-turn-size") ?? 0));
    this.isJoined = true;
    line.online(() => this.#progress());
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "";
      this.clock.arrived(this.offset, this.offset + value.byteLength);
      this.offset += value.byteLength;
      this.#take(this.decoder.push(value));
      if (!this.timer) this.timer = window.setTimeout(() => this.#draw(), DRAW_MS);
    }
  }

  /** @param {any[]} payloads */
  #take(payloads) {
    payloads.forEach((payload, index) => this.gatherer.add(payload, this.decoder.ats[index]));
    this.hasNews ||= payloads.length > 0;
  }

  /** @returns {import("./chat_state.js").Progress | null} */
  #progress() {
    // What is read of a stream that has been going is not what happens now.
    if (!this.isJoined || this.offset < this.clock.replayed) return null;
    const { firstAt, lastAt, callsAt, deltas, tokens } = this.gatherer;
    const { at } = this.gatherer.beginOfAnswer(this.parts);
    if (this.parts.reasoning) this.#summarise();
    return {
      state: this.parts.answer || callsAt >= 0 ? "answering" : this.parts.reasoning ? "thinking" : "prefill",
      age: this.clock.age(),
      first: this.clock.kept(firstAt),
      answer: this.clock.at(at < 0 ? callsAt : at),
      last: this.clock.at(lastAt),
      deltas,
      tokens,
      repeats: this.repeats.look(this.parts.answer || this.parts.reasoning, this.clock.age()),
    };
  }

  /** @param {boolean} ended */
  #gathered(ended) {
    const parts = this.gatherer.parts(ended, this.thinks);
    return parts.answer ? { ...parts, answer: this.begun + parts.answer } : parts;
  }

  #draw() {
    const began = performance.now();
    this.timer = 0;
    if (!this.hasNews) return;
    this.hasNews = false;
    this.#show(this.#gathered(false), false);
    this.surroundings.page.keep();
    // Long answers take longer to draw: leave most of the time to the reader.
    const pause = Math.max(DRAW_MS, 4 * (performance.now() - began));
    this.timer = window.setTimeout(() => this.#draw(), pause);
  }

  /** @param {{ reasoning: string, answer: string, answerAt: number }} parts @param {boolean} ended */
  #show(parts, ended) {
    this.parts = parts;
    if (parts.reasoning !== this.drawn.reasoning || (ended && parts.reasoning)) this.#showReasoning(ended);
    if (parts.answer !== this.drawn.answer || (ended && parts.answer)) {
      if (parts.reasoning && parts.answer && !this.hasFolded) this.#fold();
      this.answer.update(parts.answer, ended);
    }
    this.drawn = parts;
  }

  /** @param {boolean} ended */
  #showReasoning(ended) {
    const think = /** @type {HTMLDetailsElement} */ (partOf(this.element, "think"));
    const body = partOf(this.element, "reasoning");
    const { reasoning } = this.parts;
    if (think.hidden && reasoning && !ended) {
      think.open = true;
      think.classList.add("now");
    }
    think.hidden = !reasoning;
    this.reasoning.update(reasoning, ended || this.parts.answer !== "");
    this.thought.keep();
    body.classList.toggle("whole", body.scrollHeight <= body.clientHeight); // only what goes on above fades
  }

  #fold() {
    this.hasFolded = true;
    const fold = /** @type {HTMLInputElement | null} */ (document.getElementById("fold"));
    const think = partOf(this.element, "think");
    think.classList.remove("now");
    if (fold?.checked && !think.contains(document.getSelection()?.anchorNode ?? null)) think.removeAttribute("open");
  }

  #summarise() {
    const begin = this.gatherer.beginOfAnswer(this.parts);
    const isOver = begin.at >= 0;
    const first = this.clock.at(this.gatherer.firstAt);
    const until = isOver ? this.clock.at(begin.at) : this.clock.age();
    const { deltas, tokens } = this.gatherer;
    const n = Math.round(tokens ? (tokens * begin.before) / deltas : begin.before);
    const numbers = document.createElement("span");
    numbers.className = "num";
    if (first !== null && until !== null) {
      const time = ((until - first) / 1000).toFixed(1);
      numbers.textContent = interpolate(gettext("%(time)s s, ≈ %(n)s tokens"), { time, n }, true);
    }
    const summary = partOf(this.element, "summary");
    const mark = summary.querySelector("svg");
    const word = isOver ? gettext("Thought for") : gettext("Thinking");
    summary.replaceChildren(...(mark ? [mark] : []), word, " ", numbers);
  }

  /** The turn's row has the last word: its texts, its numbers, and what went wrong. */
  async #finish() {
    clearTimeout(this.timer);
    const { line, page } = this.surroundings;
    this.#take(this.decoder.end());
    this.#show(this.#gathered(true), true);
    partOf(this.element, "think").classList.remove("now");
    line.end();
    const text = await readAgain(this.element.dataset.address ?? "", (answer) => (answer.ok ? answer.text() : ""));
    if (!text) return;
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const turn = fresh.querySelector("[data-turn]");
    if (!turn) return location.reload(); // logged out meanwhile: this is the login page
    const [reasoning, answer] = ["reasoning", "answer"].map(
      (name) => turn.querySelector(`[data-part=${name}]`)?.textContent ?? "",
    );
    if (reasoning !== this.drawn.reasoning || answer !== this.drawn.answer)
      this.#show({ ...this.parts, reasoning, answer }, true);
    for (const name of ["calls", "end", "summary"]) {
      const part = turn.querySelector(`[data-part=${name}]`);
      if (part) partOf(this.element, name).replaceWith(part);
    }
    fillCopy(this.element, "reasoning", reasoning);
    fillCopy(this.element, "answer", answer);
    const place = this.element.closest("[data-column]") ?? document;
    for (const part of /** @type {NodeListOf<HTMLTemplateElement>} */ (fresh.querySelectorAll("template[data-fills]"))) {
      place.querySelector(part.dataset.fills ?? "")?.replaceChildren(part.content);
    }
    this.element.dataset.state = turn.getAttribute("data-state") ?? "done";
    page.keep();
  }
}
