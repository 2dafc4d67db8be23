/** Cells of a chart's table: static/js/lib/figure.js. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { named, readable, table } from "../../static/js/lib/figure.js";

const CELLS = [
  ["118.091", "118"],
  ["2605.4791009894507", "2\u202f605"],
  ["0.00354321", "0.0035"],
  ["21.5", "21.5"],
  ["1234567", "1\u202f234\u202f567"],
  ["-12.345", "\u221212.3"],
  ["9.0 ± 1.2345", "9 ± 1.23"],
  ["62.5 [38.641, 81.25]", "62.5 [38.6, 81.3]"],
  ["2026-11-27T05:21:00.000", "2026-11-27T05:21:00.000"],
  ["", ""],
  ["all", "all"],
];

for (const [cell, expected] of CELLS) {
  test(`"${cell}" is read as "${expected}"`, () => assert.equal(readable(cell), expected));
}

test("a value without an interval has none in the table", () => {
  const y = [50, 90];
  const figure = { data: [{ name: "#3", x: [1, 4], y, error_y: { array: [null, 2.5] } }] };
  assert.deepEqual(table(figure).rows, [["1", "50"], ["4", "90 ± 2.5"]]);
});

test("a cell of the table has the address of its point", () => {
  const data = [
    { name: "#1", x: [1, 4], y: [50, 90], customdata: ["/results/res-1/points/1/", "/results/res-1/points/4/"] },
    { name: "#2", x: [4], y: [70], customdata: ["https://elsewhere.example/"] },
  ];

  assert.deepEqual(table({ data }).links, [
    ["", "/results/res-1/points/1/", ""],
    ["", "/results/res-1/points/4/", ""],
  ]);
});

test("runs of one trace have a column each", () => {
  const runs = { name: "", text: ["#7", "#8", "#7"], x: [1, 1, 4], y: [49, 51, 90], customdata: ["/7/1", "/8/1", "/7/4"] };
  const { head, rows, links } = table({ data: [{ name: "#7 × 2", x: [1, 4], y: [50, 90] }, runs] });

  assert.deepEqual(head, ["x", "#7 × 2", "#7", "#8"]);
  assert.deepEqual(rows, [["1", "50", "49", "51"], ["4", "90", "90", ""]]);
  assert.deepEqual(links, [["", "", "/7/1", "/8/1"], ["", "", "/7/4", ""]]);
});

test("a distribution has a row for each share", () => {
  const data = [
    { name: "1", x: [9, 12], y: [50, 99], error_x: { array: [1, null] } },
    { name: "8", x: [20, 30], y: [50, 99] },
  ];
  const layout = { meta: { by: "y" }, xaxis: { title: { text: "TTFT, ms" } }, yaxis: { title: { text: "%" } } };

  const { head, rows } = table({ data, layout });

  assert.deepEqual(head, ["%", "1, TTFT, ms", "8, TTFT, ms"]);
  assert.deepEqual(rows, [["50", "9 ± 1", "20"], ["99", "12", "30"]]);
});

test("names in a saved picture are whole, and only those that are known", () => {
  const names = { "#1": "#1, model, int8", "#12 × 3": "#12 × 3, model, fp16" };
  const traces = ["#1", "#1 p99", "#12 × 3", "#12", "#10"].map((name) => ({ name, x: [1] }));
  const found = named(traces, names).map((trace) => trace.name);
  assert.deepEqual(found, ["#1, model, int8", "#1, model, int8 p99", "#12 × 3, model, fp16", "#12", "#10"]);
});

test("a heat map has a row for each name and a column for each x, with gaps", () => {
  const data = [{ x: ["1", "4"], y: ["128 → 64", "256 → 64"], z: [[9.5, 20], [null, 18]] }];
  const layout = { yaxis: { title: { text: "lengths" } } };

  assert.deepEqual(table({ data, layout }), {
    head: ["lengths", "1", "4"],
    rows: [
      ["128 → 64", "9.5", "20"],
      ["256 → 64", "", "18"],
    ],
  });
});

test("a forest has a row for each name, though two of them have one value, and their intervals", () => {
  const errors = { array: [30, 20, 0], arrayminus: [20, 20, 9.5] };
  const data = [
    { name: "right", x: [50, 50, 100], y: ["sums", "words", "odd"], error_x: errors },
    { name: "all", x: [60], y: ["all"] },
  ];
  const layout = { meta: { rows: "category" }, xaxis: { title: { text: "right, %" } } };

  assert.deepEqual(table({ data, layout }), {
    head: ["category", "right, %"],
    rows: [
      ["sums", "50 [30, 80]"],
      ["words", "50 ± 20"],
      ["odd", "100 [90.5, 100]"],
      ["all", "60"],
    ],
  });
});
