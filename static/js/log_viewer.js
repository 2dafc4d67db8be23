// @ts-check
/**
 * The panel of a log: `[data-log-url]`, its parts named by `data-log`, its buttons by `data-do`
 * (templates/_log.html). It opens at the end, loads visible lines, and follows new ones.
 */

import { grouped } from "./lib/formats.js";
import { LogBytes } from "./lib/log_bytes.js";
import { LogFolds } from "./lib/log_folds.js";
import { LogFoldsFeed } from "./lib/log_folds_feed.js";
import { LogFind } from "./lib/log_find.js";
import { LogFollow } from "./lib/log_follow.js";
import { LogHidden } from "./lib/log_hidden.js";
import { bindLogKeys } from "./lib/log_keys.js";
import { LogLines } from "./lib/log_lines.js";
import { LogLook } from "./lib/log_look.js";
import { hashOf, placeIn } from "./lib/log_place.js";
import { groupRow, lineRow, waitingRow } from "./lib/log_row_view.js";
import { LogRows } from "./lib/log_rows.js";
import { LogScroll } from "./lib/log_scroll.js";
import { LogSource } from "./lib/log_source.js";
import { LogSpeech } from "./lib/log_speech.js";
import { LogStrip, marked } from "./lib/log_strip.js";
import { LogWarnings } from "./lib/log_warnings.js";
import { emptyWords, filterWords, placeWords, sizeWords, stepWords, unreadWords } from "./lib/log_words.js";

const STEPS_EVERY_MS = 3000;

class LogPanel {
  /** @param {HTMLElement} panel */
  constructor(panel) {
    this.panel = panel;
    this.source = new LogSource(panel.dataset.logUrl ?? "", panel.dataset.logSocket ?? "");
    this.bytes = new LogBytes((from, to) => this.source.piece(from, to), () => this.#soon());
    this.lines = new LogLines(this.bytes);
    this.rows = new LogRows();
    this.folds = new LogFolds();
    this.foldsFeed = new LogFoldsFeed(this.folds, (query) => this.source.json(`/folds?${query}`), () => this.hidden.came());
    this.hidden = new LogHidden(panel, this.rows, this.folds, (path) => this.source.json(path), () => this.#soon());
    this.find = this.#makeFind();
    this.speech = new LogSpeech((text) => (this.#part("announcer").textContent = text));
    this.unread = ""; // reason for an empty view
    this.linked = placeIn(placeIn(location.hash)[0] ? location.hash : (panel.dataset.logAt ?? ""));
    this.mode = "all"; // or "only" (matching lines), "warnings"
    this.warnings = new LogWarnings(() => this.source.search("warnings=1&limit=5000", Infinity), () => this.#soon());
    this.rangeFrom = this.linked[0]; // start of the selected line range
    /** @type {Set<number>} long lines that a person unfolded */
    this.unfolded = new Set();
    this.isReady = false; // the steps are known
    this.isDrawing = false;
    this.stepsAt = 0;
    this.scroll = new LogScroll({
      scroller: this.#part("scroller"),
      space: this.#part("space"),
      view: this.#part("view"),
      rows: this.#part("rows"),
      count: () => this.rows.count,
      row: (index) => this.#row(index),
      onMove: (isAtEnd) => this.#moved(isAtEnd),
      onDraw: () => this.#drawStrip(false),
    });
    this.following = new LogFollow(panel, {
      rows: this.rows,
      scroll: this.scroll,
      speech: this.speech,
      lines: () => this.#lineCount,
      unheard: () => this.hidden.requests,
    });
    this.strip = new LogStrip(
      this.#part("map"),
      () => this.#marked(),
      (share) => this.#goToShare(share),
    );
    this.look = new LogLook(panel, () => (this.following.isOn ? this.scroll.showEnd() : this.scroll.draw()));
    this.#bind();
  }

  /** Load the log, then follow it. */
  async start() {
    this.look.restore();
    const isNew = "logNew" in this.panel.dataset; // all of it comes by the socket
    if (isNew) {
      this.folds.isDone = true; // of no bytes
      this.#listen();
    }
    try {
      const [index, steps] = await Promise.all([isNew ? null : this.source.json("/index"), this.source.json("/steps")]);
      if (index) this.bytes.setIndex(index);
      this.#setSteps(steps.steps);
    } catch (error) {
      this.unread = unreadWords(error);
    }
    if (!isNew) await Promise.all([this.foldsFeed.ask(), this.hidden.refresh(this.bytes.size)]);
    this.isReady = true;
    this.rows.setLineCount(this.#lineCount);
    if (this.linked[0]) this.#goTo(this.linked[0]);
    if (/^#(L\d|log-search)/.test(location.hash)) this.#open();
    if (this.linked[0] > this.#lineCount) this.#wrong(placeWords("", this.linked, this.#lineCount));
    this.#soon();
    if (!isNew) this.#listen();
    this.#refreshWarnings();
  }

  #listen() {
    this.source.follow(this.bytes, { news: () => this.#soon(), state: (state, detail) => this.#setState(state, detail) });
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
    this.#part("line").addEventListener("input", () => this.#wrong(""));
    this.panel.addEventListener("input", () => this.#unfold());
    bindLogKeys(this.panel, {
      walk: (step) => this.find.walk(step),
      clear: () => this.find.clear(),
      goTo: (text) => this.#goToTyped(text),
      toWarning: (step) => this.#toWarning(step),
      toStart: () => this.#goToShare(0),
      toEnd: () => {
        this.find.leave();
        this.#follow();
      },
      sideways: (pixels) => (this.#part("view").scrollLeft += pixels),
    });
    this.panel.addEventListener("click", (event) => this.#clicked(event));
    document.addEventListener("click", (event) => this.#jumped(event));
    addEventListener("hashchange", () => this.#showPlace(placeIn(location.hash)));
    // The page swaps fragments on job changes: steps may have changed too.
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
      this.#stay(`[data-group="${number}"]`);
      return;
    }
    const button = event.target.closest("[data-do]");
    const line = Number(event.target.closest("[data-line]")?.getAttribute("data-line") ?? 0);
    if (button) this.#do(button.getAttribute("data-do") ?? "", line);
    else if (line && event.target.matches(".l > a") && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      if (!event.shiftKey || !this.rangeFrom) this.rangeFrom = line;
      this.#stopFollowing(); // else the line would scroll away unread
      this.#link([Math.min(this.rangeFrom, line), Math.max(this.rangeFrom, line)]);
    }
  }

  /** Draw rows anew where they are; what has the focus was made anew. @param {string} focus */
  #stay(focus) {
    this.#stopFollowing();
    this.scroll.release();
    this.scroll.draw();
    const element = this.#part("rows").querySelector(focus);
    if (element instanceof HTMLElement) element.focus({ preventScroll: true });
  }

  /** A link to a line, anywhere on the page. @param {MouseEvent} event */
  #jumped(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey) return;
    const link = event.target instanceof Element ? event.target.closest("a[href^='#L']") : null;
    const place = placeIn(link?.getAttribute("href") ?? "");
    if (!place[0]) return;
    event.preventDefault();
    this.#showPlace(place);
    this.#part("scroller").focus({ preventScroll: true });
  }

  /** @param {import("./lib/log_place.js").Place} place */
  #showPlace(place) {
    if (!place[0]) return;
    this.#open();
    this.find.leave();
    this.#wrong("");
    this.rangeFrom = place[0];
    if (this.mode !== "all" && !this.rows.only?.includes(place[0])) this.#setMode("all");
    this.#link(place);
    this.#goTo(place[0]);
  }

  /** @param {string} text a line or a range */
  #goToTyped(text) {
    const place = placeIn(text);
    const wrong = placeWords(text, place, this.#lineCount);
    this.#wrong(wrong);
    if (wrong) return;
    this.#showPlace([place[0], Math.min(place[1], this.#lineCount)]);
    this.#part("scroller").focus({ preventScroll: true });
  }

  /** What is wrong with the line that is asked for. @param {string} message "" for nothing */
  #wrong(message) {
    this.#part("wrong").textContent = message;
    this.#part("line").classList.toggle("is-invalid", Boolean(message));
    this.#part("line").setAttribute("aria-invalid", String(Boolean(message)));
  }

  /** @param {number} share of the log */
  #goToShare(share) {
    this.find.leave();
    this.#stopFollowing();
    this.scroll.show(Math.floor(share * this.rows.count), 0.33);
    this.#drawTexts();
  }

  /** @param {string} action @param {number} line */
  #do(action, line) {
    if (action === "fold") {
      if (this.panel.toggleAttribute("data-log-folded")) this.#follow();
      this.#drawTexts();
    } else if (action === "follow") {
      this.find.leave();
      if (this.following.isOn) this.#stopFollowing();
      else this.#follow();
    } else if (action === "next") this.find.walk(1);
    else if (action === "previous") this.find.walk(-1);
    else if (this.look.toggle(action)) return;
    else if (action === "regex") this.find.switchRegex();
    else if (action === "polls") this.#settle(this.hidden.toggle(this.#topLine), 0);
    else if (action === "only") this.#setMode(this.mode === "only" ? "all" : "only");
    else if (action === "all" || action === "warnings") this.#setMode(action);
    else if (action === "unfold") {
      this.unfolded.add(line);
      this.scroll.draw();
    } else if (action === "drawn") {
      const place = this.folds.toggle(line);
      this.hidden.arrange();
      this.#stay(`[data-line="${place}"] [data-do="drawn"]`);
    }
  }

  /** @param {string} mode */
  #setMode(mode) {
    this.#unfold();
    const { current } = this.find.search;
    const line = current && this.#sees(this.rows.indexOfLine(current.line)) ? current.line : this.#topLine;
    this.mode = mode;
    this.#arrangeOnly();
    for (const name of ["all", "warnings", "only"]) {
      this.#button(name).setAttribute("aria-pressed", String(name === mode));
    }
    this.#settle(line, 0.33);
  }

  /** @param {number} line @param {number} share of the height, from the upper edge */
  #settle(line, share) {
    if (this.following.isOn) this.scroll.showEnd();
    else this.scroll.show(this.rows.indexOfLine(line), share);
    this.#drawStrip(true);
    this.#drawTexts();
  }

  #arrangeOnly() {
    if (this.mode === "warnings") this.rows.setOnly(this.warnings.lines);
    else this.rows.setOnly(this.mode === "only" && this.find.search.text ? this.find.search.lines : null);
  }

  /** First visible line. */
  get #topLine() {
    const [top] = this.scroll.inSight;
    const row = this.rows.count ? this.rows.at(top) : { line: 1 };
    return "line" in row ? row.line : this.rows.linesOf(row.group)[0];
  }

  /** @param {number} index */
  #row(index) {
    if (index >= this.rows.count) return null; // drawn before rows were removed
    const row = this.rows.at(index);
    if ("group" in row) return this.#groupRow(row.group);
    const number = row.line;
    const line = this.lines.at(number);
    if (!line) return { key: `l${number}`, state: "waiting", make: () => waitingRow(number) };
    const shown = this.rows.only ? { texts: null, folded: 0, isOpen: false } : this.folds.at(number);
    const now = this.find.nowIn(number);
    const view = {
      find: (/** @type {string} */ text) => this.find.marks(text),
      now,
      isLinked: this.linked[0] <= number && number <= this.linked[1],
      isLong: this.unfolded.has(number),
      isOpen: shown.isOpen,
    };
    const { folded } = shown;
    const state = [line.end, this.find.matcher.version, this.find.search.error, now, view.isLinked, view.isLong, shown.isOpen, folded];
    const make = () => {
      const texts = shown.texts ?? [this.lines.pen(number) + line.text];
      const rest = line.hidden ? { bytes: line.hidden, url: this.source.download(line.at, line.end) } : null;
      return lineRow({ number, atMs: this.bytes.timeAt(line.at), texts, folded, rest }, view);
    };
    return { key: `l${number}`, state: [...state, ...(shown.texts ?? [])].join(" "), make };
  }

  /** @param {number} group */
  #groupRow(group) {
    const step = this.rows.steps[group];
    const lines = this.rows.linesOf(group);
    const isOpen = this.rows.isOpen(group);
    const matches = this.find.search.countIn(...lines);
    const state = [step.state, ...lines, isOpen, step.duration_s, matches].join(" ");
    return { key: `g${group}`, state, make: () => groupRow(step, group, lines, isOpen, matches) };
  }

  /** Number of shown lines: known ones only, while progress bars and own requests are still being
  checked. */
  get #lineCount() {
    const lines = this.hidden.shown(this.bytes.lineCount);
    return this.folds.isBehind(this.bytes.movedAt) ? Math.min(this.folds.lines, lines) : lines;
  }

  /** Draw in the next animation frame. */
  #soon() {
    if (this.isDrawing || !this.isReady) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      this.#draw();
    });
  }

  #draw() {
    this.rows.setLineCount(this.#lineCount);
    if (this.following.isOn) this.scroll.showEnd();
    else this.scroll.draw();
    this.#drawTexts();
    if (this.bytes.movedAt > this.folds.to) this.foldsFeed.refresh();
    this.hidden.refresh(this.bytes.size);
    if (!this.following.isOver) {
      if (Date.now() - this.stepsAt > STEPS_EVERY_MS) this.#refreshSteps();
      if (this.warnings.isDue(this.bytes.size)) this.#refreshWarnings();
    }
  }

  #drawTexts() {
    const lines = this.#lineCount;
    this.panel.style.setProperty("--digits", String(String(lines).length));
    this.#part("size").textContent = sizeWords(lines, this.bytes.size, this.folds);
    const hasRows = lines || this.rows.steps.some((step) => step.line_from !== null);
    const note = hasRows ? filterWords(this.rows, this.mode) : this.unread || emptyWords(this.following.state);
    if (this.#part("note").textContent !== note) this.#part("note").textContent = note;
    this.#drawFold();
    this.following.draw();
  }

  /** Label the button of a log that can be folded. One that is short is whole as it is. */
  #drawFold() {
    const button = this.panel.querySelector('[data-do="fold"]');
    if (!button) return;
    const isFolded = this.panel.hasAttribute("data-log-folded");
    button.setAttribute("aria-expanded", String(!isFolded));
    button.toggleAttribute("hidden", isFolded && this.#part("space").offsetHeight <= this.scroll.height);
    this.#part("fold").textContent = this.#part("fold").dataset[isFolded ? "folded" : "open"] ?? "";
  }

  /** @param {import("./lib/log_follow.js").State} state @param {number} detail */
  #setState(state, detail) {
    this.following.setState(state, detail);
    if (this.following.isOver) {
      this.rows.keepOpen(); // steps watched to their end
      this.#refreshSteps();
      this.#refreshWarnings();
    }
    this.#soon();
  }

  /** A person scrolled. @param {boolean} isAtEnd */
  #moved(isAtEnd) {
    this.find.leave();
    if (isAtEnd) this.#follow();
    else this.#stopFollowing();
  }

  #follow() {
    this.following.start();
    this.#drawTexts();
  }

  #stopFollowing() {
    this.#unfold();
    this.following.stop();
    this.#drawTexts();
  }

  #unfold() {
    this.panel.removeAttribute("data-log-folded");
    this.#drawFold();
  }

  /** Bring the whole log into sight. */
  #open() {
    this.#unfold();
    this.panel.scrollIntoView({ block: "nearest" });
  }

  /** Show a line a third below the edge; its group opens. @param {number} line */
  #goTo(line) {
    this.following.stop();
    this.hidden.reveal(line);
    const group = this.rows.groupOf(line);
    if (group >= 0 && !this.rows.only && !this.rows.isOpen(group)) this.rows.setOpen(group, true);
    this.scroll.show(this.rows.indexOfLine(line), 0.33);
    this.#drawTexts();
  }

  /** @param {import("./lib/log_place.js").Place} place */
  #link(place) {
    this.linked = place;
    history.replaceState(history.state, "", hashOf(place));
    this.scroll.draw();
  }

  #makeFind() {
    const ask = (/** @type {string} */ query, /** @type {AbortSignal} */ signal) => this.source.search(query, 1, signal);
    const field = /** @type {HTMLInputElement} */ (this.#part("search"));
    const worker = this.panel.dataset.logWorker ?? "";
    const parts = { field, regex: this.#button("regex"), status: this.#part("matches"), ask, worker };
    return new LogFind(parts, {
      here: () => ({ line: this.#topLine, isFollowing: this.following.isOn }),
      sees: (line) => this.#sees(this.rows.indexOfLine(line)),
      back: ({ line, isFollowing }) => (isFollowing ? this.#follow() : this.scroll.show(this.rows.indexOfLine(line))),
      match: (line) => this.#showMatch(line),
      changed: () => {
        if (this.mode === "only") this.#arrangeOnly();
        this.strip.renew();
        this.#soon();
      },
      marked: () => this.#soon(),
    });
  }

  /** @param {number} index of a row */
  #sees(index) {
    const [first, last] = this.scroll.inSight;
    return first <= index && index <= last;
  }

  /** A match is to be looked at. @param {number} line */
  #showMatch(line) {
    this.unfolded.add(line); // it may be folded
    if (this.mode === "only") this.#arrangeOnly();
    const index = this.rows.indexOfLine(line);
    const row = this.rows.at(index);
    if ("line" in row && row.line === line && this.scroll.shows(index)) this.#stopFollowing();
    else this.#goTo(line);
    requestAnimationFrame(() => {
      const mark = this.#part("rows").querySelector("mark.now");
      if (mark) this.scroll.bring(mark);
    });
  }

  /** The next line that warns or breaks, or the one before. @param {number} step */
  #toWarning(step) {
    const [linked] = this.linked;
    const isHere = linked && this.#sees(this.rows.indexOfLine(linked));
    const line = this.warnings.next(step, isHere ? linked : this.#topLine - (step > 0 ? 1 : 0));
    if (line) this.#showPlace([line, line]);
    else this.speech.say(gettext("No warnings or errors."));
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
    if (!this.following.isOn) this.rows.keepOpen();
    const message = this.rows.steps.length ? stepWords(this.rows.steps, steps) : "";
    if (message) this.speech.say(message);
    this.rows.setSteps(steps);
  }

  async #refreshWarnings() {
    if (!(await this.warnings.refresh(this.bytes.size))) return;
    this.#part("warnings").textContent = grouped(this.warnings.answer?.lines ?? 0);
    if (this.mode === "warnings") this.#arrangeOnly();
    await this.find.refresh();
    this.#drawStrip(true);
    this.#soon();
  }

  #marked() {
    return marked(this.warnings.answer, this.find.search.answer, (line) => this.rows.indexOfLine(line));
  }

  /** @param {boolean} isNew what is marked has changed */
  #drawStrip(isNew) {
    if (isNew) this.strip.renew();
    this.strip.draw(this.rows.count, this.scroll.inSight, !this.rows.only);
  }
}

/**
 * Fill a log panel and keep it updated.
 * @param {HTMLElement} panel
 */
export function mountLog(panel) {
  const mounted = new LogPanel(panel);
  mounted.start();
  return mounted;
}

for (const panel of document.querySelectorAll("[data-log-url]")) mountLog(/** @type {HTMLElement} */ (panel));
