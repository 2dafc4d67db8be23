// @ts-check
/** Source of a log: pieces and facts by HTTP, new bytes by socket. */

import { readAgain } from "./again.js";
import { connect, socketUrl } from "./live_socket.js";
import { readFrame } from "./log_frame.js";

const ANSWER_MS = 5000; // timeout of an answer
const LOOK_MS = 10_000; // interval of size checks without news: a socket can die silently
const AGAIN_MS = 5000; // a server's log may continue after a restart
const SEARCH_MS = 330_000; // above the limits of dashboard/api/logs.py
const TRIES = 6; // of a fact; then the panel names the problem

/** A log that was removed since: the page itself says when and why. @param {Response} response */
function showRemoval(response) {
  if (response.status === 410) location.reload();
}

/** The answer's content; null for a page of a proxy. @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export class LogSource {
  /** @param {string} url of the log's bytes @param {string} socketPath */
  constructor(url, socketPath) {
    this.url = url;
    this.socketPath = socketPath;
    /** @type {ReturnType<typeof connect> | null} */
    this.socket = null;
    this.heardAt = 0;
    this.isOver = false;
    this.isCut = false;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.looking = undefined;
    /** @type {Promise<void>} frames are taken one after the other */
    this.queue = Promise.resolve();
  }

  /** @param {string} path @param {{tries?: number, timeoutMs?: number, signal?: AbortSignal}} [patience] @returns {Promise<any>} */
  async json(path, patience = {}) {
    const options = { tries: TRIES, ...patience, headers: { Accept: "application/json" } };
    const [response, text] = await readAgain(
      this.url + path,
      async (answer) => /** @type {[Response, string]} */ ([answer, await answer.text()]),
      options,
    ).catch(() => {
      throw new Error(gettext("The dashboard is not responding."));
    });
    showRemoval(response);
    const answer = parsed(text);
    if (!response.ok || answer === null) {
      const message = interpolate(gettext("The dashboard returned HTTP %(status)s."), { status: response.status }, true);
      throw new Error(answer?.message ?? message);
    }
    return answer;
  }

  /**
   * Search the log, for longer than other facts take. An aborted search ends on the server, too.
   * @param {string} query @param {number} tries @param {AbortSignal} [signal] @returns {Promise<any>}
   */
  search(query, tries, signal) {
    return this.json(`/search?${query}`, { tries, timeoutMs: SEARCH_MS, signal });
  }

  /** Where a part of the log is to be had as a file. @param {number} from @param {number} to */
  download(from, to) {
    return `${this.url}?from=${from}&to=${to}&download=1`;
  }

  /** @param {number} from @param {number} to @returns {Promise<import("./log_bytes.js").Piece>} */
  async piece(from, to) {
    return readAgain(`${this.url}?from=${from}&to=${to}&framed=1`, async (response) => {
      showRemoval(response);
      if (!response.ok) throw new Error(response.statusText);
      return readFrame(await response.arrayBuffer());
    });
  }

  /**
   * Receive bytes after the end of `bytes`. Gaps and reconnects are filled by HTTP.
   * @param {import("./log_bytes.js").LogBytes} bytes
   * @param {object} on
   * @param {() => void} on.news
   * @param {(state: "live" | "waiting" | "over", detail: number) => void} on.state
   */
  follow(bytes, on) {
    let isFirst = true;
    this.socket = connect({
      url: async () => {
        if (!isFirst) await this.catchUp(bytes, on.news);
        isFirst = false;
        return socketUrl(`${this.socketPath}?from=${bytes.size}`);
      },
      onMessage: (data) => {
        this.heardAt = Date.now();
        this.queue = this.queue.then(() => this.#take(bytes, data, on)).catch(() => this.socket?.retry());
      },
      onState: (state, detail) => {
        if (state === "open") on.state("live", 0);
        if (state === "waiting") on.state("waiting", detail);
        if (state === "over" && !this.isOver) on.state("over", detail);
      },
    });
    if (this.looking) return; // a server's log that goes on
    this.looking = setInterval(() => {
      if (this.isCut || Date.now() - this.heardAt >= LOOK_MS) this.#look(bytes, on);
    }, LOOK_MS);
    // Only a request shows if the dashboard responds: it may be on this computer.
    for (const change of ["online", "offline"]) addEventListener(change, () => this.#look(bytes, on));
  }

  /** @param {import("./log_bytes.js").LogBytes} bytes @param {() => void} news */
  async catchUp(bytes, news) {
    bytes.setIndex(await this.json(`/index?known=${bytes.counts.length}`));
    news();
  }

  /** @param {import("./log_bytes.js").LogBytes} bytes @param {string | ArrayBuffer} data @param {any} on */
  async #take(bytes, data, on) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.type !== "end") return;
      on.state("over", 1000);
      this.isOver = true;
      if (!message.final) setTimeout(() => this.#again(bytes, on), AGAIN_MS);
      return;
    }
    const { offset, times, bytes: fresh } = readFrame(data);
    if (!bytes.append(offset, fresh, times)) {
      await this.catchUp(bytes, on.news);
      if (!bytes.append(offset, fresh, times)) throw new Error("a gap that cannot be filled");
    }
    on.news();
  }

  /** @param {import("./log_bytes.js").LogBytes} bytes @param {any} on */
  async #again(bytes, on) {
    if (document.hidden) {
      setTimeout(() => this.#again(bytes, on), AGAIN_MS);
      return;
    }
    this.isOver = false;
    this.socket = null;
    const before = bytes.size;
    await this.catchUp(bytes, on.news).catch(() => {});
    if (bytes.size === before) {
      this.isOver = true;
      setTimeout(() => this.#again(bytes, on), AGAIN_MS);
    } else {
      this.follow(bytes, on);
    }
  }

  /** Ask for the size: a connection can die without a word. @param {import("./log_bytes.js").LogBytes} bytes @param {any} on */
  async #look(bytes, on) {
    if (this.isOver || document.hidden) return;
    try {
      const response = await fetch(`${this.url}?from=${bytes.size}`, { method: "HEAD", signal: AbortSignal.timeout(ANSWER_MS) });
      showRemoval(response);
      const isBehind = Number(response.headers.get("X-Log-Size")) > bytes.size;
      if (isBehind || this.isCut) this.socket?.retry();
      this.isCut = false;
    } catch {
      this.isCut = true; // server or network is down; the socket reconnects
      if (!this.isOver) on.state("waiting", LOOK_MS);
    }
  }
}
