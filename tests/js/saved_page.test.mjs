/** A chart saved as a page: static/js/lib/saved_page.js. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { savedPage } from "../../static/js/lib/saved_page.js";

const ABOUT = {
  title: 'a "b" <i>',
  language: "en",
  ground: "rgb(1, 2, 3)",
  ink: "rgb(4, 5, 6)",
  address: "http://here/results/?a=1&b=2",
  lines: ["res-1, <u>, simulated", "2026-11-27 09:20 UTC, http://here/results/?a=1&b=2"],
  library: 'window.a = "</script>";',
};
const PLOT = { data: [{ name: "</script><b>", x: [1], y: [2] }], layout: { width: 300, height: 684, margin: { l: 40, t: 6 } } };

test("no text of a chart or of the library ends a script or becomes markup", () => {
  const page = savedPage(PLOT, ABOUT);

  assert.equal(page.match(/<\/script/g).length, 2);
  assert.ok(!page.includes("<b>") && !page.includes("<i>"));
  assert.ok(page.includes('"\\u003c/script>\\u003cb>"'));
});

test("the page keeps a chart's height, fills its width and has its ground", () => {
  const layout = JSON.parse(savedPage(PLOT, ABOUT).match(/"chart", .*?\], (\{.*\}), \{"displaylogo/)[1]);

  assert.deepEqual([layout.height, layout.width, layout.autosize], [684, undefined, true]);
  assert.deepEqual([layout.paper_bgcolor, layout.margin.l, layout.showlegend], ["rgb(1, 2, 3)", 40, false]);
});

test("the page says below the chart what it shows, when and where, as text and with a link", () => {
  const page = savedPage(PLOT, ABOUT);

  assert.ok(page.includes("res-1, &lt;u&gt;, simulated<br>\n2026-11-27 09:20 UTC, <a href="));
  assert.ok(page.includes('<a href="http://here/results/?a=1&amp;b=2">http://here/results/?a=1&amp;b=2</a>'));
});
