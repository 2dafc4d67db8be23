/** Points of charts that open something: static/js/lib/chart_points.js. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf, openable, spoken } from "../../static/js/lib/chart_points.js";

const TRACE = { name: "#3", x: [1, 4, 8], y: [50, null, 70.126], customdata: ["/a/", "/b/", "/c/"] };

test("a point opens only an address of this site", () => {
  assert.equal(addressOf(TRACE, 2), "/c/");
  assert.equal(addressOf({ customdata: ["https://elsewhere.example/"] }, 0), "");
  assert.equal(addressOf({ x: [1] }, 0), "");
});

test("the keyboard walks over points with a value and an address", () => {
  const band = { name: "Pareto frontier", x: [1], y: [2] };

  assert.deepEqual(openable([band, TRACE]), [
    { curveNumber: 1, pointNumber: 0 },
    { curveNumber: 1, pointNumber: 2 },
  ]);
});

test("a point is spoken with its trace, its place and its value", () => {
  assert.equal(spoken(TRACE, 2), "#3, 8, 70.13");
  assert.equal(spoken({ ...TRACE, text: ["#7", "", ""] }, 0), "#3, #7, 50");
  assert.equal(spoken({ ...TRACE, name: "", text: ["#7", "#7", "#7"] }, 2), "#7, 8, 70.13");
});
