import assert from "node:assert/strict";
import { test } from "node:test";

import { rateOf } from "../../static/js/lib/chat_state.js";
import { formulaAt, formulaParts, mayBegin } from "../../static/js/lib/formulas.js";
import { StreamClock } from "../../static/js/lib/stream_clock.js";

test("formulas are found with and without dollars, and prices are none", () => {
  const found = (text) => formulaAt(text, "inline")?.text;
  assert.equal(found("$x + 1$ is"), "x + 1");
  assert.equal(found("$2 \\sin x$"), "2 \\sin x");
  assert.equal(found("\\(a\\) b"), "a");
  assert.equal(found("$10 today; price is 5$"), undefined);
  assert.equal(found("$10元，明天5$"), undefined);
  assert.equal(found("$5 and $10"), undefined);
  assert.equal(found("\\boxed{a_{1} \\} b} c"), "\\boxed{a_{1} \\} b}");
  assert.equal(found("\\boxed{never closed"), undefined);
  assert.equal(found("\\ce{H2O} x"), "\\mathrm{H_{2}O}");
  assert.equal(found("$\\ce{2H2 + O2 -> 2H2O}$"), "\\mathrm{2H_{2}\\ +\\ O_{2}\\ \\rightarrow\\ 2H_{2}O}");
  assert.equal(found("\\ce{SO4^2-}"), "\\mathrm{SO_{4}^{2-}}");
  assert.equal(found("\\ce{Na+}"), "\\mathrm{Na^{+}}");
  assert.equal(found("\\ce{\\alpha}"), "\\ce{\\alpha}");
  assert.equal(found("\\emph{x}"), undefined);
});

test("environments and double dollars are blocks", () => {
  const align = "\\begin{align*}\na&=b\n\\end{align*}";
  assert.deepEqual(formulaAt(`${align} more`, "block"), { raw: align, text: align, display: true });
  assert.equal(formulaAt("\\begin{align}a\\end{gather}", "block"), undefined);
  assert.equal(formulaAt("\\begin{document}a\\end{document}", "block"), undefined);
  assert.equal(formulaAt("$$a$$", "block")?.text, "a");
  assert.equal(formulaAt("$a$", "block"), undefined);
  assert.equal(mayBegin("So $a$", "inline"), 3);
  assert.equal(mayBegin("So \n$$a$$", "block"), 4);
  assert.equal(mayBegin("nothing", "inline"), undefined);
});

test("a page that was there knows when bytes came, one that came later asks once", async () => {
  let now = 1000;
  const asked = [];
  const ask = async (offsets) => {
    asked.push(...offsets);
    return offsets.map((offset) => offset * 10);
  };
  const clock = new StreamClock(ask, () => now);
  clock.joined(5000, 100); // the stream is five seconds old, and has 100 bytes
  clock.arrived(0, 100);
  now = 1250;
  clock.arrived(100, 130);

  assert.equal(clock.at(-1), null);
  assert.equal(clock.at(110), 5250);
  assert.equal(clock.at(7), null);
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(clock.at(7), 70);
  assert.equal(clock.at(130), null); // not yet come, and asked: it may have come to the dashboard
  assert.deepEqual(asked, [7, 130]);
  assert.equal(clock.age(), 5250);
});

test("a connection that was lost leaves a part of which only the dashboard knows when it came", () => {
  let now = 0;
  const asked = [];
  const clock = new StreamClock(async (offsets) => asked.push(...offsets), () => now);
  clock.joined(0, 0);
  now = 100;
  clock.arrived(0, 10);
  now = 9000;
  clock.joined(9000, 50);
  clock.arrived(10, 60);

  assert.deepEqual([clock.at(5), clock.at(55)], [100, 9000]);
  assert.equal(clock.at(20), null);
  assert.deepEqual(asked, [20]);
});

test("a rate is of the tokens behind the first piece", () => {
  const now = { state: "answering", age: 0, first: 100, answer: null, last: 2100, deltas: 5, tokens: 0 };
  assert.equal(rateOf(now), 2);
  assert.equal(rateOf({ ...now, tokens: 20 }), 8); // four tokens a piece
  assert.equal(rateOf({ ...now, last: 500 }), null);
  assert.equal(rateOf({ ...now, first: null }), null);
});

test("a text that is no Markdown keeps its lines around its formulas", () => {
  const text = "1. Is $x_1$ it?\nA. \\(y\\)\nB. $10 or $5";
  const parts = formulaParts(text);

  assert.deepEqual(
    parts.map((part) => (typeof part === "string" ? part : [part.text])),
    ["1. Is ", ["x_1"], " it?\nA. ", ["y"], "\nB. $10 or $5"],
  );
  assert.equal(parts.map((part) => (typeof part === "string" ? part : part.raw)).join(""), text);
});
