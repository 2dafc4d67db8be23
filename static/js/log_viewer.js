// @ts-check
/**
 * The panel of a log: `[data-log-url]`, its parts named by `data-log`, its buttons by `data-do`
 * (templates/_log.html). It opens at the end, reads what is looked at, and follows what comes.
 */

import { LogBytes } from "./lib/log_bytes.js";
import { LogFolds } from "./lib/log_folds.js";
import { duration, groupRow, grouped, lineRow, waitingRow } from "./lib/log_row_view.js";
import { LogRows } from "./lib/log_rows.js";
import { LogScroll } from "./lib/log_scroll.js";
import { LogSearch } from "./lib/log_search.js";
import { LogSource } from "./lib/log_source.js";

const SEARCH_WAIT_MS = 250;
const STEPS_EVERY_MS = 3000;
const WARNINGS_EVERY_MS = 10_000;
const WARNINGS_SHARE = 20; // at most a twentieth of the time goes into looking for them
const MARKS = 300; // in the strip
const KEPT_LINES = 4000;

/** @param {number} bytes */
function sizeText(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit ? value.toFixed(value < 100 ? 1 : 0) : value} ${units[unit]}`;
}

/** The line that an address ends with, "#L12"; 0 for none. @param {string} hash */
function lineIn(hash) {
  return Number(/^#L(\d+)$/.exec(hash)?.[1] ?? 0);
}

class LogPanel {
  /** @param {HTMLElement} panel */
  constructor(panel) {
    this.panel = panel;
    this.source = new LogSource(panel.dataset.logUrl ?? "", panel.dataset.logSocket ?? "");
    this.bytes = new LogBytes((from, to) => this.source.piece(from, to), () => this.#soon());
    this.rows = new LogRows();
    this.folds = new LogFolds(this.bytes, (number) => this.#line(number));
    this.search = new LogSearch((query) => this.source.json(`/search?${query}`));
    this.isFollowing = true;
    this.seenLines = 0;
    this.linked = lineIn(location.hash) || Number(panel.dataset.logAt ?? 0);
    this.mode = "all"; // or "only" (lines that match), "warnings"
    /** @type {number[]} lines that warn or break */
    this.warnings = [];
    /** @type {Map<number, import("./lib/log_bytes.js").RawLine>} */
    this.raw = new Map();
    /** @type {Set<number>} long lines that a person unfolded */
    this.unfolded = new Set();
    this.isDrawing = false;
    this.state = "live";
    this.stepsAt = 0;
    this.warningsAt = 0;
    this.warnedSize = -1;
    this.scroll = new LogScroll({
      scroller: this.#part("scroller"),
      space: this.#part("space"),
      view: this.#part("view"),
      rows: this.#part("rows"),
      count: () => this.rows.count,
      row: (index) => this.#row(index),
      onMove: (isAtEnd) => this.#moved(isAtEnd),
    });
    this.#bind();
  }

  /** Read what is there, then follow. */
  async start() {
    this.#setWrap(localStorage.getItem("log-wrap") !== "no");
    try {
      const [index, steps] = await Promise.all([this.source.json("/index"), this.source.json("/steps")]);
      this.bytes.setIndex(index);
      this.#setSteps(steps.steps);
    } catch (error) {
      this.#note(interpolate(gettext("The log cannot be read: %(why)s"), { why: String(error) }, true));
    }
    this.rows.setLineCount(this.bytes.lineCount);
    if (this.linked) this.#goTo(this.linked);
    this.#draw();
    this.source.follow(this.bytes, { news: () => this.#soon(), state: (state, detail) => this.#setState(state, detail) });
    this.#refreshWarnings();
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.panel.querySelector(`[data-log="${name}"]`));
  }

  /** @param {string} name @returns {HTMLButtonElement} */
  #button(name) {
    return /** @type {HTMLButtonElement} */ (this.panel.querySelector(`[data-do="${name}"]`));
  }

  #bind() {
    const field = /** @type {HTMLInputElement} */ (this.#part("search"));
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let typing;
    field.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.#search(), SEARCH_WAIT_MS);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        clearTimeout(typing);
        this.#walk(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape" && field.value) {
        event.stopPropagation();
        field.value = "";
        this.#search();
      }
    });
    this.panel.addEventListener("click", (event) => this.#clicked(event));
    document.addEventListener("click", (event) => this.#jumped(event));
    // The page swaps its fragments when the job changed: its steps may have changed too.
    document.addEventListener("htmx:afterSettle", () => this.#refreshSteps());
    document.addEventListener("visibilitychange", () => this.#soon());
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    if (!(event.target instanceof Element)) return;
    const group = event.target.closest("[data-group]");
    if (group) {
      const number = Number(group.getAttribute("data-group"));
      this.rows.setOpen(number, !this.rows.isOpen(number));
      this.#stopFollowing();
      this.scroll.release();
      this.scroll.draw();
      const row = this.#part("rows").querySelector(`[data-group="${number}"]`);
      if (row instanceof HTMLElement) row.focus({ preventScroll: true }); // it was made anew
      return;
    }
    const button = event.target.closest("[data-do]");
    const line = Number(event.target.closest("[data-line]")?.getAttribute("data-line") ?? 0);
    if (button) this.#do(button.getAttribute("data-do") ?? "", line);
    else if (line && event.target.matches(".l > b")) this.#link(line);
  }

  /** A link to a line, anywhere on the page. @param {MouseEvent} event */
  #jumped(event) {
    const link = event.target instanceof Element ? event.target.closest("a[href^='#L']") : null;
    const line = lineIn(link?.getAttribute("href") ?? "");
    if (!line) return;
    event.preventDefault();
    if (this.mode !== "all") this.#setMode("all");
    this.#link(line);
    this.#goTo(line);
    this.panel.scrollIntoView({ block: "nearest" });
    this.#part("scroller").focus({ preventScroll: true });
  }

  /** @param {string} action @param {number} line */
  #do(action, line) {
    if (action === "follow") {
      if (this.isFollowing) this.#stopFollowing();
      else this.#follow();
    } else if (action === "next") this.#walk(1);
    else if (action === "previous") this.#walk(-1);
    else if (action === "wrap") this.#setWrap(this.panel.querySelector(".log")?.classList.contains("nowrap") ?? false);
    else if (action === "regex") {
      const button = this.#button("regex");
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      this.#search();
    } else if (action === "only") this.#setMode(this.mode === "only" ? "all" : "only");
    else if (action === "all" || action === "warnings") this.#setMode(action);
    else if (action === "unfold") {
      this.unfolded.add(line);
      this.scroll.draw();
    } else if (action === "redraws") this.#toggleRedraws(line);
  }

  /** @param {number} line the row's number */
  #toggleRedraws(line) {
    const place = this.folds.toggle(line);
    this.#stopFollowing();
    this.scroll.release();
    this.scroll.draw();
    const button = this.#part("rows").querySelector(`[data-line="${place}"] [data-do="redraws"]`);
    if (button instanceof HTMLElement) button.focus({ preventScroll: true }); // it was made anew
  }

  /** @param {boolean} isOn */
  #setWrap(isOn) {
    this.panel.querySelector(".log")?.classList.toggle("nowrap", !isOn);
    this.#button("wrap").setAttribute("aria-pressed", String(isOn));
    localStorage.setItem("log-wrap", isOn ? "yes" : "no");
    if (this.isFollowing) this.scroll.showEnd();
    else this.scroll.draw();
  }

  /** @param {string} mode */
  #setMode(mode) {
    const [top] = this.scroll.inSight;
    const row = this.rows.count ? this.rows.at(top) : null;
    const line = row && "line" in row ? row.line : 1;
    this.mode = mode;
    this.#arrangeOnly();
    for (const name of ["all", "warnings", "only"]) {
      this.#button(name).setAttribute("aria-pressed", String(name === mode));
    }
    if (this.isFollowing) this.scroll.showEnd();
    else this.scroll.show(this.rows.indexOfLine(line));
    this.#strip();
  }

  #arrangeOnly() {
    if (this.mode === "warnings") this.rows.setOnly(this.warnings);
    else this.rows.setOnly(this.mode === "only" && this.search.text ? this.search.lines : null);
  }

  /** @param {number} index */
  #row(index) {
    const row = this.rows.at(index);
    if ("group" in row) return this.#groupRow(row.group);
    const number = row.line;
    const shown = this.rows.only ? { texts: null, redraws: null, isOpen: false } : this.folds.at(number);
    if (!shown) return null; // without a look at the line: bars leave thousands of such
    const line = this.#line(number);
    if (!line) return { key: `l${number}`, state: "waiting", make: () => waitingRow(number) };
    const current = this.search.current;
    const now = current?.line === number ? current.nth : -1;
    const view = {
      expression: this.search.error ? null : this.search.expression,
      now,
      isLinked: number === this.linked,
      isLong: this.unfolded.has(number),
      isOpen: shown.isOpen,
    };
    const { redraws } = shown;
    const texts = shown.texts ?? [line.text];
    const state = [line.end, view.expression, now, view.isLinked, view.isLong, view.isOpen, texts.length, redraws].join(" ");
    const make = () => lineRow({ number, atMs: this.bytes.timeAt(line.at), texts, redraws, hidden: line.hidden }, view);
    return { key: `l${number}`, state, make };
  }

  /** @param {number} group */
  #groupRow(group) {
    const step = this.rows.steps[group];
    const lines = this.rows.linesOf(group);
    const isOpen = this.rows.isOpen(group);
    const state = [step.state, ...lines, isOpen, step.duration_s].join(" ");
    return { key: `g${group}`, state, make: () => groupRow(step, group, lines, isOpen) };
  }

  /** @param {number} number */
  #line(number) {
    const kept = this.raw.get(number);
    if (kept) return kept;
    const line = this.bytes.line(number);
    if (line && number < this.bytes.lineCount) {
      if (this.raw.size > KEPT_LINES) this.raw.clear();
      this.raw.set(number, line);
    }
    return line;
  }

  /** Draw with the next frame of the screen. */
  #soon() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      this.#draw();
    });
  }

  #draw() {
    this.rows.setLineCount(this.bytes.lineCount);
    if (this.isFollowing) this.scroll.showEnd();
    else this.scroll.draw();
    this.#words();
    this.#strip();
    if (this.state !== "over") {
      if (Date.now() - this.stepsAt > STEPS_EVERY_MS) this.#refreshSteps();
      if (Date.now() > this.warningsAt) this.#refreshWarnings();
    }
  }

  #words() {
    const lines = this.bytes.lineCount;
    const words = ngettext("%(n)s line", "%(n)s lines", lines);
    this.#part("size").textContent = lines
      ? `${interpolate(words, { n: grouped(lines) }, true)} · ${sizeText(this.bytes.size)}`
      : "";
    if (lines || this.rows.steps.some((step) => step.line_from !== null || step.state === "running")) this.#note("");
    else this.#note(this.state === "over" ? gettext("Nothing was printed.") : gettext("Nothing has been printed yet."));
    const pill = this.#button("follow");
    pill.hidden = !lines || (this.state === "over" ? this.scroll.isAtEnd : !this.isFollowing && this.scroll.isAtEnd);
    pill.classList.toggle("off", !this.isFollowing && lines === this.seenLines);
    const fresh = Math.max(0, lines - this.seenLines);
    let text = gettext("Following");
    if (!this.isFollowing) {
      const more = ngettext("%(n)s new line", "%(n)s new lines", fresh);
      text = fresh ? interpolate(more, { n: grouped(fresh) }, true) : gettext("To the end");
    }
    this.#part("pill").textContent = text;
  }

  /** @param {string} text */
  #note(text) {
    const note = this.#part("note");
    if (note.textContent !== text) note.textContent = text;
  }

  /** @param {"live" | "waiting" | "over"} state @param {number} detail */
  #setState(state, detail) {
    this.state = state;
    this.panel.dataset.logState = state;
    const pill = this.#button("follow");
    pill.title =
      state === "waiting"
        ? interpolate(gettext("not live, trying again in %(wait)s"), { wait: duration(detail / 1000) }, true)
        : "";
    if (state === "over") {
      this.#refreshSteps();
      this.#refreshWarnings();
    }
    this.#soon();
  }

  /** @param {boolean} isAtEnd */
  #moved(isAtEnd) {
    if (isAtEnd) this.#follow();
    else this.#stopFollowing();
    this.#strip();
  }

  #follow() {
    this.isFollowing = true;
    this.scroll.showEnd();
    this.#words();
  }

  #stopFollowing() {
    if (this.isFollowing) this.seenLines = this.bytes.lineCount;
    this.isFollowing = false;
    this.#words();
  }

  /** Show a line a third below the edge; its group opens. @param {number} line */
  #goTo(line) {
    this.#stopFollowing();
    this.folds.reveal(line);
    const group = this.rows.groupOf(line);
    if (group >= 0 && !this.rows.only && !this.rows.isOpen(group)) this.rows.setOpen(group, true);
    this.scroll.show(this.rows.indexOfLine(line), 0.33);
    this.#words();
  }

  /** @param {number} line */
  #link(line) {
    this.linked = line;
    history.replaceState(history.state, "", `#L${line}`);
    this.scroll.draw();
  }

  async #search() {
    const field = /** @type {HTMLInputElement} */ (this.#part("search"));
    const isRegex = this.#button("regex").getAttribute("aria-pressed") === "true";
    if (!(await this.search.run(field.value, isRegex))) return;
    if (this.mode === "only") this.#arrangeOnly();
    this.#matches();
    this.#soon();
  }

  /** @param {number} step */
  async #walk(step) {
    const field = /** @type {HTMLInputElement} */ (this.#part("search"));
    if (field.value !== this.search.text || this.search.answer.total === 0) await this.#search();
    const [top] = this.scroll.inSight;
    const row = this.rows.count ? this.rows.at(top) : null;
    this.search.walk(step, row && "line" in row ? row.line : 1);
    const current = this.search.current;
    if (current) {
      this.unfolded.add(current.line); // the match may be in what is folded
      this.#goTo(current.line);
    }
    this.#matches();
    this.#strip();
  }

  #matches() {
    const words = this.#part("matches");
    const { text, error, answer, at } = this.search;
    words.classList.toggle("bad", Boolean(error));
    if (error) words.textContent = error;
    else if (!text) words.textContent = "";
    else if (at < 0) words.textContent = grouped(answer.total);
    else words.textContent = `${grouped(at + 1)} / ${grouped(answer.total)}`;
  }

  async #refreshSteps() {
    this.stepsAt = Date.now();
    const answer = await this.source.json("/steps").catch(() => null);
    if (!answer || JSON.stringify(answer.steps) === JSON.stringify(this.rows.steps)) return;
    this.#setSteps(answer.steps);
    this.#soon();
  }

  /** @param {import("./lib/log_rows.js").Step[]} steps */
  #setSteps(steps) {
    if (!this.isFollowing) this.rows.keepOpen();
    this.rows.setSteps(steps);
    this.folds.setBegins(steps.flatMap((step) => step.line_from ?? []));
  }

  async #refreshWarnings() {
    if (this.warnedSize === this.bytes.size) return;
    this.warnedSize = this.bytes.size;
    const began = Date.now();
    this.warningsAt = Infinity;
    const answer = await this.source.json("/search?warnings=1&limit=5000").catch(() => null);
    const took = Date.now() - began;
    this.warningsAt = Date.now() + Math.max(WARNINGS_EVERY_MS, WARNINGS_SHARE * took);
    if (!answer) return;
    this.warnings = answer.found.map((/** @type {number[]} */ match) => match[0]);
    this.#part("warnings").textContent = grouped(answer.lines);
    if (this.mode === "warnings") this.#arrangeOnly();
    if (this.search.text) await this.#search();
    this.#soon();
  }

  /** The strip at the right: where matches and warnings are, and what is in sight. */
  #strip() {
    const count = this.rows.count;
    /** @type {Map<number, string>} */
    const marks = new Map();
    if (count && !this.rows.only) {
      const add = (/** @type {number} */ line, /** @type {string} */ kind) =>
        marks.set(Math.round((this.rows.indexOfLine(line) / count) * MARKS), kind);
      for (const line of this.warnings) add(line, "w");
      for (const line of this.search.lines) add(line, "f");
    }
    const elements = [...marks].map(([place, kind]) => {
      const mark = document.createElement("i");
      mark.className = kind;
      mark.style.top = `${(place / MARKS) * 99}%`;
      return mark;
    });
    const [first, last] = this.scroll.inSight;
    if (count > last - first + 1) {
      const sight = document.createElement("i");
      sight.className = "v";
      sight.style.top = `${(first / count) * 100}%`;
      sight.style.height = `${Math.max(2, ((last - first + 1) / count) * 100)}%`;
      elements.push(sight);
    }
    this.#part("map").replaceChildren(...elements);
  }
}

/**
 * Fill a panel of a log and keep it filled.
 * @param {HTMLElement} panel
 */
export function mountLog(panel) {
  const mounted = new LogPanel(panel);
  mounted.start();
  return mounted;
}

for (const panel of document.querySelectorAll("[data-log-url]")) mountLog(/** @type {HTMLElement} */ (panel));
