// @ts-check
/**
 * Virtual list of any length in a scroller of bounded height, with rows of any height.
 *
 * An anchor defines the view: a row, and its pixels above the edge. The scrollbar follows roughly;
 * small moves scroll by pixels, large ones by share. So the browsers' limit of 33,554,428 px and
 * unknown row heights do not matter.
 */

const TALLEST_PX = 30_000_000;
const SETTLE_MS = 200;
const RESIZE_MS = 150; // within this time of a resize, the browser moves the bar
const FAR_PX = 1e7; // below any row

export class LogScroll {
  /**
   * @param {object} parts
   * @param {HTMLElement} parts.scroller
   * @param {HTMLElement} parts.space stands in for the height of all rows
   * @param {HTMLElement} parts.view sticks to the scroller's edge
   * @param {HTMLElement} parts.rows holds the rows that are drawn
   * @param {() => number} parts.count
   * @param {(index: number) => {key: string, state: string, make: () => HTMLElement} | null} parts.row
   *   null: the row is not shown. `state` tells when a row must be made anew
   * @param {(isAtEnd: boolean) => void} parts.onMove a person scrolled
   * @param {() => void} parts.onDraw other rows may be in sight
   */
  constructor({ scroller, space, view, rows, count, row, onMove, onDraw }) {
    this.scroller = scroller;
    this.space = space;
    this.view = view;
    this.rows = rows;
    this.count = count;
    this.row = row;
    this.onMove = onMove;
    this.onDraw = onDraw;
    this.anchor = 0;
    this.above = 0; // anchor pixels above the edge
    /** @type {{index: number, share: number} | null} kept until a person scrolls: rows still load */
    this.target = null;
    this.average = 20;
    this.expected = 0; // scrollTop without user scrolling
    this.sized = ""; // the room that was drawn in
    /** @type {Map<number, HTMLElement>} rows that are drawn now */
    this.drawn = new Map();
    /** @type {Map<string, {state: string, element: HTMLElement}>} */
    this.made = new Map();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.settling = undefined;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.isPinned = false; // pinned to the end until scrolled elsewhere
    this.resizedAt = -Infinity;
    addEventListener("resize", () => (this.resizedAt = performance.now()));
    new ResizeObserver(() => this.#stay()).observe(scroller);
  }

  get height() {
    return this.scroller.clientHeight;
  }

  /** True if the last row's end is visible. */
  get isAtEnd() {
    const last = this.drawn.get(this.#lastShown());
    return !last || this.#offset + last.offsetTop + last.offsetHeight <= this.height + 2;
  }

  /** Stay at the current position. */
  release() {
    this.target = null;
    this.isPinned = false;
  }

  /** Show a row `share` of the height below the edge. @param {number} index @param {number} share */
  show(index, share = 0) {
    this.target = { index, share };
    this.isPinned = false;
    this.draw();
  }

  /** Bring a part of a drawn row into sight, in a row that is higher or wider than the view. @param {Element} element */
  bring(element) {
    const [part, view] = [element.getBoundingClientRect(), this.scroller.getBoundingClientRect()];
    const isBeside = part.left < view.left || part.right > view.left + this.scroller.clientWidth;
    if (isBeside) this.view.scrollLeft += part.left - view.left - this.scroller.clientWidth / 2;
    if (part.top >= view.top && part.bottom <= view.top + this.height) return;
    this.release();
    this.above += part.top - view.top - this.height / 3;
    this.draw();
  }

  /** Show the end. */
  showEnd() {
    this.target = null;
    this.isPinned = true;
    this.anchor = Math.max(0, this.count() - 1);
    this.above = FAR_PX;
    this.draw();
  }

  /** True if a row is in sight as a whole. @param {number} index */
  shows(index) {
    const row = this.drawn.get(index);
    if (!row) return false;
    const top = this.#offset + row.offsetTop;
    return top >= 0 && top + row.offsetHeight <= this.height;
  }

  /** The first row in sight, and the last one. @returns {[number, number]} */
  get inSight() {
    const visible = [...this.drawn].filter(
      ([, row]) => this.#offset + row.offsetTop + row.offsetHeight > 0 && this.#offset + row.offsetTop < this.height,
    );
    return visible.length ? [visible[0][0], visible[visible.length - 1][0]] : [this.anchor, this.anchor];
  }

  /** Draw from the anchor; call after any change of rows. */
  draw() {
    const count = this.count();
    if (this.target) {
      this.anchor = this.target.index;
      this.above = -this.target.share * this.height;
    }
    this.anchor = Math.min(this.anchor, Math.max(0, count - 1));
    this.#sizeSpace(count);
    this.view.style.height = `${this.height}px`;
    this.#fill(count);
    this.#keepInside(count);
    this.#place();
    this.#sizeSpace(count);
    this.#syncBar(false);
    this.onDraw();
  }

  /** Rows around the anchor: at least a whole height above and below the edge. @param {number} count */
  #fill(count) {
    const above = this.#collect(this.anchor - 1, -1, this.height + Math.max(0, -this.above));
    const below = this.#collect(this.anchor, 1, 2 * this.height + Math.max(0, this.above));
    this.drawn = new Map([...above.toReversed(), ...below]);
    this.#put([...this.drawn.values()]);
    // Rows may be shorter than estimated: fill the view while there are more.
    for (let round = 0; round < 50; round += 1) {
      const last = this.#lastShown();
      const end = this.drawn.get(last);
      if (!end || last >= count - 1) break;
      if (end.offsetTop + end.offsetHeight - this.#anchorTop() - this.above >= this.height) break;
      const more = this.#collect(last + 1, 1, this.height);
      if (!more.length) break;
      for (const [index, element] of more) this.drawn.set(index, element);
      this.#put([...this.drawn.values()]);
    }
    let total = 0;
    for (const element of this.drawn.values()) total += element.offsetHeight;
    // Include hidden rows in between: the bar counts them too.
    const [first] = this.drawn.keys();
    if (this.drawn.size) this.average = Math.max(1, total / (this.#lastShown() - first + 1));
    this.#forget();
  }

  /**
   * Elements of rows from `from` on in one direction, until they fill about `pixels`.
   * @param {number} from @param {number} step @param {number} pixels
   * @returns {[number, HTMLElement][]}
   */
  #collect(from, step, pixels) {
    const count = this.count();
    /** @type {[number, HTMLElement][]} */
    const elements = [];
    for (let i = from; i >= 0 && i < count && pixels > 0; i += step) {
      const row = this.row(i);
      if (!row) continue;
      let kept = this.made.get(row.key);
      if (!kept || kept.state !== row.state) {
        kept = { state: row.state, element: row.make() };
        this.made.set(row.key, kept);
      }
      elements.push([i, kept.element]);
      pixels -= kept.element.offsetHeight || 20;
    }
    return elements;
  }

  /** Make these the children; those that stay are not touched, so that a selection lives on. @param {HTMLElement[]} wanted */
  #put(wanted) {
    const stays = new Set(wanted);
    for (const child of [...this.rows.children]) if (!stays.has(/** @type {HTMLElement} */ (child))) child.remove();
    let at = this.rows.firstElementChild;
    for (const element of wanted) {
      if (element === at) at = at.nextElementSibling;
      else this.rows.insertBefore(element, at);
    }
  }

  #forget() {
    if (this.made.size < 2000) return;
    for (const [key, { element }] of this.made) if (!element.isConnected) this.made.delete(key);
  }

  /** Neither above the first row nor below the last is anything shown. @param {number} count */
  #keepInside(count) {
    const last = this.#lastShown();
    const end = this.drawn.get(last);
    if (!end) return;
    const bottom = end.offsetTop + end.offsetHeight;
    let top = this.#anchorTop() + this.above;
    if (last >= this.#lastRow(count)) top = Math.min(top, bottom - this.height);
    const [first] = this.drawn.keys();
    if (top < 0 && first > 0) {
      // Too few rows above: restart from the first visible row.
      const more = this.#collect(first - 1, -1, this.height - top);
      this.drawn = new Map([...more.toReversed(), ...this.drawn]);
      const before = end.offsetTop;
      this.#put([...this.drawn.values()]);
      top += end.offsetTop - before;
    }
    this.#anchorAt(Math.max(0, top));
  }

  /** The row that the pixel `top` of the drawn rows is in becomes the anchor. @param {number} top */
  #anchorAt(top) {
    for (const [index, row] of this.drawn) {
      if (row.offsetTop + row.offsetHeight > top) {
        this.anchor = index;
        this.above = top - row.offsetTop;
        return;
      }
    }
  }

  #anchorTop() {
    return (this.drawn.get(this.anchor) ?? this.#next(this.anchor))?.offsetTop ?? 0;
  }

  /** @param {number} index */
  #next(index) {
    for (const [at, row] of this.drawn) if (at >= index) return row;
    return undefined;
  }

  #lastShown() {
    let last = -1;
    for (const index of this.drawn.keys()) last = index;
    return last;
  }

  /** The last row that is shown at all. @param {number} count */
  #lastRow(count) {
    let last = count - 1;
    while (last > 0 && !this.row(last)) last -= 1;
    return last;
  }

  /** @param {number} index */
  #isShownAbove(index) {
    let above = index - 1;
    while (above >= 0 && !this.row(above)) above -= 1;
    return above >= 0;
  }

  get #offset() {
    return -(this.#anchorTop() + this.above);
  }

  #place() {
    this.rows.style.transform = `translateY(${this.#offset}px)`;
  }

  /** @param {number} count */
  #sizeSpace(count) {
    const [first] = this.drawn.keys();
    const isWhole = this.#lastShown() >= this.#lastRow(count) && !this.#isShownAbove(first ?? 0);
    const height = isWhole ? this.rows.offsetHeight : Math.min(TALLEST_PX, Math.ceil(count * this.average));
    this.space.style.height = `${height}px`;
  }

  /** Return the bar's position for the current view. */
  #barTop() {
    const range = this.space.offsetHeight - this.height;
    if (range <= 0) return 0;
    if (this.isAtEnd) return range;
    const pixels = this.anchor * this.average + this.above;
    return Math.min(range - 1, Math.max(this.anchor || this.above ? 1 : 0, (pixels / (this.count() * this.average - this.height)) * range));
  }

  /**
   * Set the bar's position. During user scrolling, only at the limits, because setting it stops
   * smooth scrolling.
   * @param {boolean} isSettled they have stopped
   */
  #syncBar(isSettled) {
    const wanted = this.#barTop();
    const now = this.scroller.scrollTop;
    const range = this.space.offsetHeight - this.height;
    const isStuck = (now <= 0 && wanted > 0) || (now >= range - 1 && wanted < range);
    const isEnd = wanted === 0 || wanted === range;
    const isFar = Math.abs(wanted - now) > 4 * this.height;
    if (isSettled || isStuck || (this.settling === undefined && (isEnd || isFar))) {
      if (Math.abs(wanted - now) >= 1) this.scroller.scrollTop = wanted;
    }
    this.expected = this.scroller.scrollTop;
    this.sized = this.#room;
  }

  get #room() {
    return `${this.scroller.clientWidth} ${this.height}`;
  }

  /** Keep the position after a resize. */
  #stay() {
    if (this.isPinned) this.showEnd();
    else this.draw();
  }

  #scrolled() {
    const now = this.scroller.scrollTop;
    const moved = now - this.expected;
    if (Math.abs(moved) < 1) return;
    const range = this.space.offsetHeight - this.height;
    // A resized window moves the bar anywhere, a higher panel to its end; other moves are a person's.
    const isClamped = this.sized !== this.#room && moved < 0 && now >= range - 1;
    if (isClamped || performance.now() - this.resizedAt < RESIZE_MS) {
      this.#stay();
      this.#syncBar(true);
      return;
    }
    this.release();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      this.settling = undefined;
      this.#syncBar(true);
    }, SETTLE_MS);
    if (now >= range - 1 && moved > 0 && moved > this.height) this.showEnd();
    else if (Math.abs(moved) <= this.height) this.#moveBy(moved, now);
    else this.#jump(now / range, now);
    this.onMove(moved > 0 && this.isAtEnd);
  }

  /** @param {number} pixels @param {number} now */
  #moveBy(pixels, now) {
    this.expected = now;
    this.above += pixels;
    this.draw();
  }

  /** @param {number} share @param {number} now */
  #jump(share, now) {
    this.expected = now;
    const place = share * Math.max(0, this.count() - this.height / this.average);
    this.anchor = Math.floor(place);
    this.above = (place - this.anchor) * this.average;
    this.draw();
  }
}
