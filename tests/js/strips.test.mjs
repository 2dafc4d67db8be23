import assert from "node:assert/strict";
import { test } from "node:test";

import { changes, columnsOf, filled, laidOut, leavingOne, shown } from "../../static/js/lib/strips.js";

const FIGURE = {
  data: [
    { meta: "output", yaxis: "y" },
    { meta: "kv", yaxis: "y2" },
    { meta: "done", yaxis: "y3" },
    { meta: "failed", yaxis: "y3" },
  ],
  layout: {
    xaxis: { type: "date" },
    yaxis: { nticks: 3 },
    yaxis2: {},
    yaxis3: {},
    margin: { l: 1 },
    meta: {
      strips: [
        { name: "output", title: "Output", axis: "y" },
        { name: "kv", title: "KV", axis: "y2" },
        { name: "client", title: "Client", axis: "y3" },
      ],
    },
  },
};
const SERIES = {
  output: { t: [1], y: [2] },
  kv: { t: [1], y: [null] },
  done: { t: [1], y: [0] },
};

test("a strip without a value is not shown, nor one that is switched off", () => {
  assert.deepEqual(filled(FIGURE, SERIES).map((strip) => strip.name), ["output", "client"]);
  assert.deepEqual(shown(FIGURE, SERIES, new Set(["output"])).map((strip) => strip.name), ["client"]);
});

test("strips lie one below the other and share the axis of the last one", () => {
  const strips = filled(FIGURE, SERIES);

  const { data, layout } = laidOut(FIGURE, strips, [{ x: "2026", text: "measure" }]);

  assert.deepEqual(data.map((trace) => trace.meta), ["output", "done", "failed"]);
  assert.equal(layout.xaxis.anchor, "y3");
  assert.equal(layout.yaxis2, undefined);
  assert.ok(layout.yaxis.domain[0] >= layout.yaxis3.domain[1]);
  assert.equal(layout.yaxis.nticks, 3);
  assert.deepEqual(layout.annotations.map((one) => one.text), ["Output", "Client", "measure"]);
  assert.equal(layout.shapes[0].x0, "2026");
});

test("strips in a wide chart go down one column, then down the next, over one range of time", () => {
  const strips = Array.from({ length: 7 }, (_, n) => ({ name: `s${n}`, title: `S${n}`, axis: `y${n + 2}` }));
  const figure = { data: strips.map((strip) => ({ meta: strip.name, yaxis: strip.axis })), layout: { xaxis: { type: "date" } } };

  const { data, layout } = laidOut(figure, strips, [{ x: "2026", text: "measure" }], columnsOf(1200));

  assert.deepEqual(data.map((trace) => trace.xaxis), ["x", "x", "x", "x2", "x2", "x3", "x3"]);
  assert.deepEqual([layout.xaxis.anchor, layout.xaxis2.anchor, layout.xaxis3.anchor], ["y4", "y6", "y8"]);
  assert.deepEqual([layout.xaxis2.matches, layout.xaxis3.matches], ["x", "x"]);
  assert.equal(layout.yaxis5.anchor, "x2");
  assert.ok(layout.xaxis.domain[1] < layout.xaxis2.domain[0]);
  assert.equal(layout.yaxis5.domain[1], layout.yaxis2.domain[1]);
  assert.deepEqual(layout.shapes.map((line) => line.xref), ["x", "x2", "x3"]);
  assert.equal(laidOut(figure, strips.slice(3), [], 3).layout.xaxis3, undefined);
  assert.deepEqual([366, 610, 4000].map(columnsOf), [1, 2, 3]);
});

test("a mark stands where the concurrency changes, and at its first value", () => {
  const series = { t: [1, 2, 3, 4, 5], y: [1, 1, null, 4, 4] };

  assert.deepEqual(changes(series, (value) => `@${value}`), [
    { t: 1, text: "@1" },
    { t: 4, text: "@4" },
  ]);
  assert.deepEqual(changes(undefined, String), []);
});

test("never are all strips switched off that there are", () => {
  const off = new Set(["output", "kv"]);

  assert.deepEqual([...leavingOne(["output", "kv"], off)], []);
  assert.deepEqual([...leavingOne(["output", "kv", "client"], off)], ["output", "kv"]);
});
