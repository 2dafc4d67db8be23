// @ts-check
/**
 * The events of a stream from raw bytes, cut anywhere: inside a line, inside a character. Lines are
 * server-sent events, or (llmdeploy's) bare JSON.
 */

export class EventDecoder {
  constructor() {
    this.decoder = new TextDecoder();
    this.rest = "";
    this.done = false;
  }

  /**
   * @param {Uint8Array} bytes
   * @returns {any[]} the payloads that are whole now, parsed
   */
  push(bytes) {
    return this.#take(this.rest + this.decoder.decode(bytes, { stream: true }));
  }

  /** @param {string} text */
  #take(text) {
    const lines = text.split("\n");
    this.rest = lines.pop() ?? "";
    const payloads = lines.map((line) => this.#read(line)).filter((payload) => payload !== undefined);
    // The last line of bare JSON may end without a line's end; no part of an object is one itself.
    if (this.rest.startsWith("{") && this.rest.trimEnd().endsWith("}")) {
      const payload = parsed(this.rest);
      if (payload !== undefined) {
        payloads.push(payload);
        this.rest = "";
      }
    }
    return payloads;
  }

  /** @param {string} line @returns {any} undefined for one that says nothing to us */
  #read(line) {
    if (line.startsWith("{")) return parsed(line);
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (colon < 0 || (name !== "data" && name !== "error")) return undefined;
    if (value === "[DONE]") {
      this.done = true;
      return undefined;
    }
    const payload = parsed(value);
    return name === "error" && payload !== undefined ? { error: payload } : payload;
  }
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a line that is no JSON says nothing to us
  }
}
