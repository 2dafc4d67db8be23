// @ts-check
/** Plotly figures of the server: resolve colour tokens, convert to a table. Pure. */

import { addressOf } from "./chart_points.js";
import { number as numberText } from "./formats.js";

const TOKEN = /^var\(--[a-z][a-z0-9-]*\)$/;

/**
 * Return a copy of `value` with each `"var(--name)"` resolved by `colour`: Plotly supports no CSS variables.
 * @param {any} value
 * @param {(token: string) => string} colour
 * @returns {any}
 */
export function filled(value, colour) {
  if (typeof value === "string") return TOKEN.test(value) ? colour(value) : value;
  if (Array.isArray(value)) return value.map((item) => filled(item, colour));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, colour)]));
  }
  return value;
}

/**
 * Return traces with full names: "#6 p99" as "#6, model, int8 p99".
 * @param {any[]} traces
 * @param {Record<string, string>} names by the short ones
 * @returns {any[]}
 */
export function named(traces, names) {
  return traces.map((trace) => {
    const short = Object.keys(names).find((key) => trace.name === key || String(trace.name).startsWith(`${key} p`));
    return short === undefined ? trace : { ...trace, name: names[short] + trace.name.slice(short.length) };
  });
}

/**
 * Return the title of a trace's axis: "y2" is `yaxis2` in the layout.
 * @param {any} figure
 * @param {any} trace
 * @param {"x" | "y"} axis
 */
function axisTitle(figure, trace, axis) {
  const number = String(trace[`${axis}axis`] ?? axis).slice(1);
  const title = figure.layout?.[`${axis}axis${number}`]?.title;
  return (typeof title === "string" ? title : title?.text) ?? "";
}

/**
 * Return a value with its interval: `9 ± 1`, or `9 [7, 10]` when asymmetric.
 * @param {number} value
 * @param {any} errors `error_x` or `error_y` of its trace
 * @param {number} index
 */
function withInterval(value, errors, index) {
  const above = errors?.array?.[index];
  if (above === null || above === undefined) return String(value);
  const below = errors.arrayminus?.[index] ?? above;
  const end = (/** @type {number} */ number) => Number(number.toPrecision(12));
  if (end(above) === end(below)) return `${value} ± ${above}`;
  return `${value} [${end(value - below)}, ${end(value + above)}]`;
}

/**
 * Return the rows of a forest plot: name and value; names may repeat.
 * @param {any} figure
 * @param {any[]} traces
 */
function forestTable(figure, traces) {
  const rows = traces.flatMap((trace) =>
    trace.y.map((/** @type {string} */ name, /** @type {number} */ index) => [
      name,
      withInterval(trace.x[index], trace.error_x, index),
    ]),
  );
  return { head: [figure.layout?.meta?.rows ?? "", axisTitle(figure, traces[0], "x")], rows };
}

/**
 * Return the rows of a heat map: one per `y`, with a column per `x`.
 * @param {any} figure
 * @param {any} trace
 */
function heatTable(figure, trace) {
  const text = (/** @type {any} */ value) => (value === null || value === undefined ? "" : String(value));
  const rows = trace.y.map((/** @type {any} */ name, /** @type {number} */ row) => [
    String(name),
    ...trace.x.map((/** @type {any} */ _, /** @type {number} */ column) => text(trace.z[row]?.[column])),
  ]);
  return { head: [axisTitle(figure, trace, "y"), ...trace.x.map(String)], rows };
}

/**
 * Return a trace of several runs, which has no name, as a trace per run: the texts of its points name them.
 * @param {any} trace
 * @returns {any[]}
 */
function byRun(trace) {
  if (trace.name !== "" || !Array.isArray(trace.text)) return [trace];
  return [...new Set(trace.text)].map((name) => {
    const own = (/** @type {any[]} */ list) => list?.filter((_, index) => trace.text[index] === name);
    return { ...trace, name, x: own(trace.x), y: own(trace.y), customdata: own(trace.customdata) };
  });
}

/**
 * Return a figure as rows: a column for x and one per trace, or with `meta.by` "y" a column for y. A forest
 * plot, with names as `y`, has one row per name, a heat map one per `y`. Values include their intervals.
 * `links` has the address of each cell, "" without one; forest plots and heat maps have none.
 * @param {any} figure
 * @returns {{head: string[], rows: string[][], links?: string[][]}}
 */
export function table(figure) {
  const whole = (figure.data ?? []).filter((/** @type {any} */ t) => Array.isArray(t.x) && Array.isArray(t.y));
  const traces = whole.flatMap(byRun);
  if (!traces.length) return { head: [], rows: [] };
  if (Array.isArray(traces[0].z)) return heatTable(figure, traces[0]);
  if (typeof traces[0].y[0] === "string") return forestTable(figure, traces);
  const [own, other] = /** @type {("x" | "y")[]} */ (figure.layout?.meta?.by === "y" ? ["y", "x"] : ["x", "y"]);
  const head = [axisTitle(figure, traces[0], own) || own];
  /** @type {Map<string, {row: string[], links: string[]}>} */
  const byKey = new Map();
  const empty = traces.map(() => "");
  traces.forEach((/** @type {any} */ trace, /** @type {number} */ column) => {
    head.push([trace.name, axisTitle(figure, trace, other)].filter(Boolean).join(", ") || other);
    trace[own].forEach((/** @type {any} */ key, /** @type {number} */ index) => {
      const line = byKey.get(String(key)) ?? { row: [String(key), ...empty], links: ["", ...empty] };
      const value = trace[other][index];
      if (value !== null && value !== undefined) {
        line.row[column + 1] = withInterval(value, trace[`error_${other}`], index);
        line.links[column + 1] = addressOf(trace, index);
      }
      byKey.set(String(key), line);
    });
  });
  const lines = [...byKey.values()];
  return { head, rows: lines.map((line) => line.row), links: lines.map((line) => line.links) };
}

/**
 * Return rows as CSV (RFC 4180).
 * @param {string[][]} rows
 */
export function csv(rows) {
  const quoted = (/** @type {string} */ cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return rows.map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
}

/**
 * Format a cell of the table: three significant digits, all digits of an integer, a thin space between
 * thousands (as dashboard/text/formatting.py). Other text stays. The CSV has every digit.
 * @param {string} cell
 */
export function readable(cell) {
  const interval = /^(\S+) \[(\S+), (\S+)\]$/.exec(cell)?.slice(1).map(readableNumber);
  if (interval) return `${interval[0]} [${interval[1]}, ${interval[2]}]`;
  return cell.split(" ± ").map(readableNumber).join(" ± ");
}

/** @param {string} text */
function readableNumber(text) {
  const value = Number(text);
  if (!text || !/^-?[\d.]+(e[-+]?\d+)?$/.test(text) || !Number.isFinite(value)) return text;
  return numberText(value, { counted: true, decimals: value ? undefined : 0 });
}
