// @ts-check
/**
 * When the bytes of a stream came, by the stream's own clock: milliseconds from its start. What came before
 * this page did is asked of the dashboard, once each.
 */

export class StreamClock {
  /**
   * @param {(offsets: number[]) => Promise<(number | null)[]>} ask when the bytes behind these offsets came
   * @param {() => number} [now]
   */
  constructor(ask, now = () => performance.now()) {
    this.ask = ask;
    this.now = now;
    this.began = now();
    this.replayed = 0; // up to this byte all came before the page did
    /** @type {{ begin: number, end: number, ms: number }[]} */
    this.arrivals = [];
    /** @type {Map<number, number | null>} */
    this.asked = new Map();
  }

  /**
   * A connection begins.
   * @param {number | null} ageMs how old the stream is; null: nobody knows
   * @param {number} size bytes that had come
   */
  joined(ageMs, size) {
    if (ageMs !== null) this.began = this.now() - ageMs;
    this.replayed = size;
  }

  /** Milliseconds since the stream's start. */
  age() {
    return this.now() - this.began;
  }

  /** Bytes of the stream came to the page. @param {number} begin @param {number} end */
  arrived(begin, end) {
    if (end > this.replayed) this.arrivals.push({ begin: Math.max(begin, this.replayed), end, ms: this.age() });
  }

  /**
   * When the byte behind `offset` came; null: not known, or not yet.
   * @param {number} offset
   * @returns {number | null}
   */
  at(offset) {
    if (offset < 0) return null;
    let low = 0;
    let high = this.arrivals.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.arrivals[middle].end > offset) high = middle;
      else low = middle + 1;
    }
    const arrival = this.arrivals[low];
    if (arrival && arrival.begin <= offset) return arrival.ms;
    const answer = this.asked.get(offset);
    if (answer === undefined) this.#fetch(offset);
    return answer ?? null;
  }

  /**
   * The same by the dashboard's own clock, once it has answered: the number that is kept of the turn.
   * @param {number} offset
   * @returns {number | null}
   */
  kept(offset) {
    if (offset < 0) return null;
    if (!this.asked.has(offset)) this.#fetch(offset);
    return this.asked.get(offset) ?? this.at(offset);
  }

  /** @param {number} offset */
  async #fetch(offset) {
    this.asked.set(offset, null);
    try {
      this.asked.set(offset, (await this.ask([offset]))[0]);
    } catch {
      this.asked.delete(offset); // asked again at the next look
    }
  }
}
