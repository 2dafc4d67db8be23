import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../../static/js/lib/live_socket.js";

/** A server that the test plays: every attempt is kept in `sockets`. */
function server(context, options = {}) {
  const sockets = [];
  const ofWindow = new EventTarget();
  globalThis.addEventListener = (...parts) => ofWindow.addEventListener(...parts);
  const states = [];
  globalThis.WebSocket = class extends EventTarget {
    static OPEN = 1;
    constructor() {
      super();
      sockets.push(this);
    }
    readyState = 1;
    sent = [];
    close() {}
    send(text) {
      this.sent.push(JSON.parse(text).type);
    }
    say(data) {
      this.dispatchEvent(Object.assign(new Event("message"), { data }));
    }
    end(code) {
      this.dispatchEvent(Object.assign(new Event("close"), { code }));
    }
  };
  context.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  connect({ url: () => "ws://x/", onMessage: () => {}, onState: (state, detail) => states.push([state, detail]), ...options });
  return {
    sockets,
    states,
    window: ofWindow,
    async wait(ms = 30_000) {
      await Promise.resolve();
      context.mock.timers.tick(ms);
      await Promise.resolve();
    },
  };
}

for (const code of [1000, 4400, 4401, 4403, 4404]) {
  test(`a page does not come back after ${code} to its first word`, async (context) => {
    const { sockets, states, wait } = server(context);
    await wait();

    sockets[0].end(code);
    await wait();

    assert.equal(sockets.length, 1);
    assert.deepEqual(states, [["over", code]]);
  });
}

test("a page comes back after a cut", async (context) => {
  const { sockets, wait } = server(context);
  await wait();

  sockets[0].end(1006);
  await wait();

  assert.equal(sockets.length, 2);
});

test("a login that ends is tried once more, for a new one of another tab", async (context) => {
  const { sockets, states, wait } = server(context);
  await wait();
  sockets[0].say("hello");

  sockets[0].end(4401);
  await wait();
  sockets[1].end(4401);
  await wait();

  assert.equal(sockets.length, 2);
  assert.deepEqual(states.at(-1), ["over", 4401]);
});

test("a right that is lost is lost at once", async (context) => {
  const { sockets, states, wait } = server(context);
  await wait();
  sockets[0].say("hello");

  sockets[0].end(4403);
  await wait();

  assert.equal(sockets.length, 1);
  assert.deepEqual(states, [["over", 4403]]);
});

test("when the network goes, a connection that does not answer is given up at once", async (context) => {
  const { sockets, states, window, wait } = server(context, { heartbeatMs: 1e9 });
  await wait(1000);

  window.dispatchEvent(new Event("offline"));
  assert.deepEqual(sockets[0].sent, ["ping"]);
  await wait(2100);

  assert.equal(states.at(-1)[0], "waiting");
  window.dispatchEvent(new Event("online"));
  await wait(1);
  assert.equal(sockets.length, 2);
});

test("when the network goes, a connection that answers stays: the dashboard may be on this computer", async (context) => {
  const { sockets, states, window, wait } = server(context, { heartbeatMs: 1e9 });
  await wait(1000);

  window.dispatchEvent(new Event("offline"));
  await wait(10);
  sockets[0].say("pong");
  await wait(30_000);

  assert.equal(sockets.length, 1);
  assert.deepEqual(states, []);
});
