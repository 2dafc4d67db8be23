// @ts-check
/** Strip next to the scrollbar: errors, warnings, matches, and the visible part. */

const PLACES = 300;
const EVERY_MS = 500; // update interval of marks in a growing log
const RANK = { w: 0, e: 1, f: 2 }; // priority of overlapping marks

/** @typedef {"w" | "e" | "f"} Kind warning, error, found */

/**
 * One mark per place: the most severe. Pure.
 * @param {[number, Kind][]} rows row and kind of what is to be marked
 * @param {number} count rows there are
 * @returns {Map<number, Kind>} by place, 0 to PLACES
 */
export function marksOf(rows, count) {
  /** @type {Map<number, Kind>} */
  const marks = new Map();
  for (const [row, kind] of rows) {
    const place = Math.round((row / Math.max(1, count)) * PLACES);
    const there = marks.get(place);
    if (!there || RANK[there] < RANK[kind]) marks.set(place, kind);
  }
  return marks;
}

/**
 * Rows with a mark.
 * @param {import("./log_search.js").Answer | null} warnings @param {import("./log_search.js").Answer} matches
 * @param {(line: number) => number} rowOf
 * @returns {[number, Kind][]}
 */
export function marked(warnings, matches, rowOf) {
  /** @type {[number, Kind][]} */
  const rows = (warnings?.spread ?? []).map(([line, isGrave]) => [rowOf(line), isGrave ? "e" : "w"]);
  return [...rows, ...matches.spread.map(([line]) => /** @type {[number, Kind]} */ ([rowOf(line), "f"]))];
}

export class LogStrip {
  /**
   * @param {HTMLElement} element
   * @param {() => [number, Kind][]} rows
   * @param {(share: number) => void} onPress a person wants to see that part
   */
  constructor(element, rows, onPress) {
    this.element = element;
    this.rows = rows;
    this.sight = document.createElement("i");
    this.sight.className = "v";
    this.drawnAt = -Infinity;
    this.count = -1;
    this.isStale = true;
    element.addEventListener("click", (event) => {
      const box = element.getBoundingClientRect();
      onPress((event.clientY - box.top) / box.height);
    });
  }

  /** Update after changed marks. */
  renew() {
    this.isStale = true;
  }

  /** @param {number} count rows there are @param {[number, number]} inSight @param {boolean} isMarked */
  draw(count, [first, last], isMarked) {
    const now = performance.now();
    if (this.isStale || (count !== this.count && now - this.drawnAt > EVERY_MS)) {
      Object.assign(this, { isStale: false, drawnAt: now, count });
      const marks = isMarked ? [...marksOf(this.rows(), count)] : [];
      this.element.replaceChildren(...marks.map(mark), this.sight);
    }
    this.sight.hidden = count <= last - first + 1;
    this.sight.style.top = `${Math.min(98, (first / Math.max(1, count)) * 100)}%`;
    this.sight.style.height = `${Math.max(2, ((last - first + 1) / Math.max(1, count)) * 100)}%`;
  }
}

/** @param {[number, Kind]} placed */
function mark([place, kind]) {
  const element = document.createElement("i");
  element.className = kind;
  element.style.top = `${(place / PLACES) * 99}%`;
  return element;
}
