// @ts-check
/** Keeps the end of what grows in sight, until somebody scrolls up; at the end again, it follows again. */

const END_PX = 6;

export class Follower {
  /** @param {HTMLElement} box what scrolls; the document's element for the page */
  constructor(box) {
    this.box = box;
    this.follows = true;
    this.top = 0;
    this.height = 0;
    const source = box === document.documentElement ? document : box;
    source.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // Before the scrolling itself begins: else the next line that comes would undo it.
    source.addEventListener("wheel", (event) => {
      if (/** @type {WheelEvent} */ (event).deltaY < 0 && this.box.scrollTop > 0) this.follows = false;
    }, { passive: true });
    source.addEventListener("touchmove", () => {
      this.follows = false;
    }, { passive: true });
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    const isUp = scrollTop < this.top - 1 && scrollHeight >= this.height;
    if (scrollTop + clientHeight >= scrollHeight - END_PX) this.follows = true;
    else if (isUp) this.follows = false;
    this.top = scrollTop;
    this.height = scrollHeight;
  }

  /** To the end, for somebody who follows. */
  keep() {
    if (this.follows) this.toEnd();
  }

  /** To the end, and follow from there. */
  toEnd() {
    this.follows = true;
    this.box.scrollTo({ top: this.box.scrollHeight, behavior: "instant" });
  }
}
