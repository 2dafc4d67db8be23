// @ts-check
/** Server-sent events from raw bytes, cut anywhere: inside a line, inside a character. */

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
    const payloads = [];
    for (const line of lines) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon);
      const value = line.slice(colon + 1).trim();
      if (colon < 0 || (name !== "data" && name !== "error")) continue;
      if (value === "[DONE]") {
        this.done = true;
        continue;
      }
      const payload = parsed(value);
      if (payload !== undefined) payloads.push(name === "error" ? { error: payload } : payload);
    }
    return payloads;
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
