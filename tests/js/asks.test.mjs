import assert from "node:assert/strict";
import { mock, test } from "node:test";

const { Asks } = await import("../../static/js/lib/asks.js");

/** An address whose answers take `tookMs`; `step` lets time pass, `times` has when it was asked. */
function address(tookMs = 0) {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  let nowMs = 0;
  const times = [];
  const asks = new Asks(
    () => {
      times.push(nowMs);
      return tookMs ? new Promise((resolve) => setTimeout(resolve, tookMs)) : Promise.resolve();
    },
    () => nowMs,
  );
  const step = async (ms) => {
    for (const end = nowMs + ms; nowMs < end; ) {
      nowMs += 10;
      mock.timers.tick(10);
      for (let turn = 0; turn < 5; turn++) await null;
    }
  };
  return { asks, times, step };
}

test("hints that come together ask once", async () => {
  const { asks, times, step } = address();
  await step(1000);
  for (let hint = 0; hint < 5; hint++) asks.soon(300);
  await step(1000);
  assert.deepEqual(times, [1080]);
});

test("hints at each moment ask once a rest, however long an answer takes", async () => {
  const { asks, times, step } = address(200);
  for (let hint = 0; hint < 160; hint++) {
    asks.soon(5000);
    await step(100);
  }
  assert.deepEqual(times, [5000, 10200, 15400]);
});

test("a hint about a job does not wait for the rest of an earlier one about a host", async () => {
  const { asks, times, step } = address();
  await step(1000);
  asks.soon(5000);
  await step(100);
  asks.soon(300);
  await step(6000);
  assert.deepEqual(times, [1180]);
});

test("a hint that comes during a request asks again after its own rest", async () => {
  const { asks, times, step } = address(500);
  await step(1000);
  asks.soon(300);
  await step(200);
  asks.soon(5000);
  asks.soon(300);
  await step(2000);
  assert.deepEqual(times, [1080, 1880]);
});
