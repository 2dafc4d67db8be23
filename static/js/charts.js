// @ts-check
/**
 * Draw every `[data-chart]` from its JSON, those in view first, redraw on a new theme or new data, and fill
 * its table.
 * Markup: templates/_chart.html. Colours are tokens of the style sheet: "var(--d1)".
 */

import { readAgain } from "./lib/again.js";
import { bindPoints, openPoint } from "./lib/chart_points.js";
import { csv, filled, readable, table } from "./lib/figure.js";
import { saveFigure } from "./lib/save_figure.js";

const MOST_ROWS = 500;
const FONTS_MS = 3000; // a font that comes later does not hold charts up
const CONFIG = { displayModeBar: false, displaylogo: false, responsive: true };

/** @type {WeakMap<Element, {text: string, figure: any}>} */
const drawn = new WeakMap();

const template = readAgain(
  /** @type {HTMLElement} */ (document.querySelector("[data-plotly-template]")).dataset.plotlyTemplate ?? "",
  (answer) => answer.json(),
);
const fonts = Promise.race([document.fonts.ready, new Promise((resolve) => setTimeout(resolve, FONTS_MS))]);

/** Return the colours of the current theme. */
function palette() {
  const probe = document.createElement("i");
  document.body.append(probe);
  /** @type {Map<string, string>} */
  const known = new Map();
  return {
    /** @param {string} token */
    colour(token) {
      let value = known.get(token);
      if (value === undefined) {
        probe.style.color = token;
        value = getComputedStyle(probe).color;
        known.set(token, value);
      }
      return value;
    },
    done: () => probe.remove(),
  };
}

/**
 * Draw `figure`, or redraw the current figure in new colours, in a `[data-chart]` element.
 * @param {HTMLElement} element
 * @param {any} [figure]
 */
export async function draw(element, figure) {
  const shown = figure ?? drawn.get(element)?.figure;
  const plot = element.querySelector(".plot");
  if (!shown || !plot) return;
  drawn.set(element, { text: drawn.get(element)?.text ?? "", figure: shown });
  const base = await template;
  await fonts;
  const colours = palette();
  const data = filled(figure ? shown.data : withCurrent(shown.data, plot), colours.colour);
  const layout = filled({ ...shown.layout, template: base }, colours.colour);
  colours.done();
  layout.autosize = true;
  layout.height = Number(element.dataset.height);
  await Plotly.react(plot, data, layout, { ...CONFIG, ...shown.config });
  bindPoints(plot);
  element.dispatchEvent(new CustomEvent("chart:drawn", { bubbles: true }));
  if (element.querySelector("details.fig-table[open]")) fillTable(element);
}

/**
 * Return the traces with their current points: a live chart has grown since it was drawn.
 * @param {any[]} traces
 * @param {any} plot
 */
function withCurrent(traces, plot) {
  return traces.map((trace, index) => {
    const grown = plot.data?.[index];
    return grown ? { ...trace, x: grown.x, y: grown.y } : trace;
  });
}

/**
 * Return the current chart as a table.
 * @param {HTMLElement} element
 * @returns {ReturnType<typeof table>}
 */
function tableOf(element) {
  const figure = drawn.get(element)?.figure;
  if (!figure) return { head: [], rows: [] };
  return table({ ...figure, data: withCurrent(figure.data, element.querySelector(".plot")) });
}

/** @param {HTMLElement} element */
function fillTable(element) {
  const place = element.querySelector(".fig-table .scroll");
  if (!place) return;
  const { head, rows, links } = tableOf(element);
  const grid = document.createElement("table");
  grid.className = "t dense";
  addRow(grid.createTHead(), { cells: head, tag: "th" });
  const body = grid.createTBody();
  rows.slice(0, MOST_ROWS).forEach((row, index) => {
    addRow(body, { cells: row.map(readable), tag: "td", links: links?.[index] });
  });
  const parts = [grid];
  if (rows.length > MOST_ROWS) {
    const more = document.createElement("p");
    more.className = "in dim";
    const text = gettext("First %(n)s rows. The CSV has all rows.");
    more.textContent = interpolate(text, { n: MOST_ROWS }, true);
    parts.push(/** @type {any} */ (more));
  }
  place.replaceChildren(...parts);
}

/**
 * @param {HTMLElement} element
 * @param {string} format "png", "svg", "html" or "csv"
 */
async function save(element, format) {
  const { head, rows } = tableOf(element);
  const colours = palette();
  const [ground, ink] = [colours.colour("var(--surface)"), colours.colour("var(--ink)")];
  colours.done();
  const title = element.dataset.label ?? "";
  const plot = /** @type {any} */ (element.querySelector(".plot"));
  await saveFigure(plot, { format, title, ground, ink, text: csv([head, ...rows]), name: element.id });
}

/**
 * Add a row; a cell with an address is a link to its point.
 * @param {HTMLTableSectionElement} section
 * @param {{cells: string[], tag: "th" | "td", links?: string[]}} content
 */
function addRow(section, { cells, tag, links }) {
  const row = section.insertRow();
  cells.forEach((text, index) => {
    const cell = document.createElement(tag);
    cell.className = "r";
    if (tag === "th") cell.setAttribute("scope", "col");
    const address = links?.[index];
    if (address) {
      const link = document.createElement("a");
      link.className = "q";
      link.href = address;
      link.dataset.point = "";
      link.textContent = text;
      cell.append(link);
    } else cell.textContent = text;
    row.append(cell);
  });
}

/** @type {Set<HTMLElement>} charts to draw */
const waiting = new Set();
let isDrawing = false;

/** @param {Element} element */
function isInView(element) {
  const { top, bottom, height } = element.getBoundingClientRect();
  return height > 0 && top < innerHeight && bottom > 0;
}

/** Return what waits and has a size: a hidden chart waits until it is shown. */
function drawable() {
  return [...waiting].filter((element) => element.checkVisibility());
}

/** Draw what waits, charts in view first. Between two of them the page answers, and shows the first. */
async function drawWaiting() {
  if (isDrawing) return;
  isDrawing = true;
  for (let all = drawable(); all.length; all = drawable()) {
    const next = all.find(isInView) ?? all[0];
    waiting.delete(next);
    await draw(next).catch(reportError);
    await new Promise((resolve) => setTimeout(resolve));
  }
  isDrawing = false;
}

/** Draw new charts, and charts with new data. */
export function drawNew() {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-chart]"))) {
    const text = document.getElementById(element.dataset.chart ?? "")?.textContent ?? "";
    if (!text || drawn.get(element)?.text === text) continue;
    const figure = JSON.parse(text);
    drawn.set(element, { text, figure });
    waiting.add(element);
  }
  drawWaiting();
}

document.addEventListener("theme", () => {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-chart]")))
    waiting.add(element);
  drawWaiting();
});
document.addEventListener("live:updated", drawNew);
document.body.addEventListener("htmx:afterSettle", drawNew);
addEventListener("resize", drawWaiting);
document.addEventListener(
  "toggle",
  (event) => {
    drawWaiting();
    if (!(event.target instanceof Element) || !event.target.matches("details.fig-table[open]")) return;
    const element = event.target.closest("[data-chart]");
    if (element instanceof HTMLElement) fillTable(element);
  },
  true,
);
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-point]") : null;
  if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openPoint(link.href);
});
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-save]") : null;
  if (event.target instanceof Element) event.target.closest(".fig-tools .pop-body a")?.closest("details")?.removeAttribute("open");
  const element = button?.closest("[data-chart]");
  if (!(button instanceof HTMLElement) || !(element instanceof HTMLElement)) return;
  button.closest("details")?.removeAttribute("open");
  save(element, button.dataset.save ?? "");
});
drawNew();
