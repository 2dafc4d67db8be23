// @ts-check
/** A WebSocket that comes back by itself. */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const DOUBT_MS = 2000; // an answer that takes longer, as the network goes or comes, does not come
// Closed on purpose (1000), or for a reason that a new attempt does not change: dashboard/consumers/.
const LOGGED_OUT = 4401;
const FINAL_CODES = new Set([1000, 4400, LOGGED_OUT, 4403, 4404]);

/**
 * How long to wait before attempt `attempt` (0 is the first), without its random part.
 * @param {number} attempt
 * @returns {number} milliseconds
 */
export function retryWait(attempt) {
  return Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS);
}

/**
 * The address of a socket on this page's own server.
 * @param {string} path
 */
export function socketUrl(path) {
  return new URL(path, location.href.replace(/^http/, "ws")).href;
}

/**
 * Keep a connection open until it is closed for good.
 *
 * @param {object} options
 * @param {() => string | Promise<string>} options.url called before each attempt, so it can carry a cursor
 * @param {(data: any) => void} options.onMessage gets the data of each message: text, or an ArrayBuffer
 * @param {(state: "open" | "waiting" | "over", detail: number) => void} [options.onState]
 *   `detail`: milliseconds until the next attempt, or the code it was closed with
 * @param {number} [options.heartbeatMs] send `{"type": "ping"}` this often, and start anew when two
 *   pass without any message: a connection can die without a word
 * @returns {{send: (text: string) => void, close: () => void, retry: () => void}}
 */
export function connect({ url, onMessage, onState = () => {}, heartbeatMs = 0 }) {
  let attempt = 0;
  let isClosed = false;
  let hasWorked = false;
  let heardAt = 0;
  /** @type {WebSocket | null} */
  let socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function later() {
    if (isClosed) return;
    const wait = retryWait(attempt) * (0.75 + Math.random() / 2); // not all pages at once
    attempt += 1;
    clearTimeout(timer);
    timer = setTimeout(open, wait);
    onState("waiting", wait);
  }

  async function open() {
    clearTimeout(timer);
    /** @type {string} */
    let address;
    try {
      address = await url();
    } catch {
      later(); // the page could not learn where it stands: the server is away
      return;
    }
    if (isClosed) return;
    const mine = new WebSocket(address);
    socket = mine;
    mine.binaryType = "arraybuffer";
    heardAt = Date.now();
    mine.addEventListener("open", () => {
      if (mine === socket) onState("open", 0);
    });
    mine.addEventListener("message", (event) => {
      if (mine !== socket) return;
      attempt = 0; // a message proves the connection works; "open" does not
      hasWorked = true;
      heardAt = Date.now();
      onMessage(event.data);
    });
    mine.addEventListener("close", (event) => {
      if (mine !== socket) return;
      socket = null;
      // The login that it was opened with is over. Another tab may have begun a new one (as a change
      // of password does), so once more; a code of the first message is final.
      if (event.code === LOGGED_OUT && hasWorked) {
        hasWorked = false;
        later();
      } else if (FINAL_CODES.has(event.code)) {
        isClosed = true;
        onState("over", event.code);
      } else {
        later();
      }
    });
  }

  /** The network went or came, the browser says: see at once whether the connection lives. */
  function doubt() {
    if (isClosed) return;
    const asked = Date.now();
    if (!socket) {
      attempt = 0;
      open();
    } else if (socket.readyState === WebSocket.OPEN) {
      ping();
      setTimeout(() => {
        if (isClosed || heardAt >= asked) return;
        drop();
        later();
      }, DOUBT_MS);
    }
  }

  function ping() {
    socket?.send(JSON.stringify({ type: "ping", t: performance.now() }));
  }

  function drop() {
    const dead = socket;
    socket = null;
    dead?.close();
  }

  function beat() {
    if (isClosed) {
      clearInterval(pulse);
    } else if (socket?.readyState === WebSocket.OPEN) {
      if (Date.now() - heardAt > 2.5 * heartbeatMs) {
        drop();
        later();
      } else {
        ping();
      }
    }
  }

  const pulse = heartbeatMs ? setInterval(beat, heartbeatMs) : undefined;
  if (heartbeatMs) for (const change of ["online", "offline"]) addEventListener(change, doubt);
  open();
  return {
    send(text) {
      if (socket?.readyState === WebSocket.OPEN) socket.send(text);
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      clearInterval(pulse);
      drop();
    },
    retry() {
      if (isClosed) return;
      drop();
      open();
    },
  };
}
