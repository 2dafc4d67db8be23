/** Durations as text: static/js/lib/formats.js, by the table that dashboard/text/formatting.py is held to. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { duration } from "../../static/js/lib/formats.js";

globalThis.gettext = (text) => text;
const TABLE = JSON.parse(readFileSync(new URL("../data/durations.json", import.meta.url), "utf8"));

for (const [seconds, text] of TABLE) {
  test(`${seconds} s is written as "${text}"`, () => assert.equal(duration(seconds), text));
}
