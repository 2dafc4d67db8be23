// @ts-check
/**
 * Live chart of a run: read points after a cursor and append them. A hint announces new points; without
 * hints the chart polls once a second. The chart of an ended run is read once.
 * Each trace of the figure has its series name in `meta`.
 */

import { draw } from "./charts.js";
import { readAgain } from "./lib/again.js";
import { changes, columnsOf, filled, heightOf, laidOut, leavingOne, shown } from "./lib/strips.js";

const POLL_MS = 1000;
const LEAST_MS = 250; // minimum time between two requests
const MOST_POINTS = 2000; // per trace; beyond it the run is read again, decimated by the server

/** @typedef {{t: number[], y: (number | null)[]}} Series */
/** @typedef {{t: number, text: string}} Mark */
/** @typedef {{after: number, open: boolean, series: Record<string, Series>, marks?: Mark[]}} Answer */

const OFF = "live-strips-off"; // storage key of the hidden strips, for all charts

/**
 * Return a time for Plotly's date axis, in the viewer's time zone.
 * @param {number} ms since the epoch
 */
function localTime(ms) {
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 23);
}

/** @param {number} value */
function concurrency(value) {
  return interpolate(gettext("concurrency %(n)s"), { n: value }, true);
}

/** @returns {Set<string>} */
function switchedOff() {
  try {
    return new Set(JSON.parse(localStorage.getItem(OFF) ?? "[]"));
  } catch {
    return new Set(); // storage is blocked, or its content is invalid
  }
}

/** @param {HTMLElement} panel */
function follow(panel) {
  const chart = /** @type {HTMLElement} */ (panel.querySelector("[data-chart]"));
  const plot = /** @type {HTMLElement} */ (chart.querySelector(".plot"));
  const place = /** @type {HTMLElement} */ (panel.querySelector("[data-chart-place]") ?? panel);
  const choice = panel.querySelector("[data-series-of]");
  const base = JSON.parse(document.getElementById(chart.dataset.chart ?? "")?.textContent ?? "{}");
  /** @type {string[]} */
  let names = []; // series of the drawn traces, in order
  const address = panel.dataset.liveChart ?? "";
  let of = "";
  let after = -1;
  let points = 0;
  let open = true;
  let minutes = 0;
  let last = 0;
  let asked = 0;
  let asking = false;
  let again = false;
  let layouts = 0; // requested so far
  let marked = 0; // number of drawn steps
  let columns = 0; // of strips; 0: none drawn
  /** @type {number | null} */
  let level = null; // last concurrency
  /** @type {Set<string>} */
  let drawn = new Set(); // strips with data

  /** @param {Answer} answer */
  async function replace(answer) {
    place.hidden = false; // hidden before the first points
    const figure = base.layout?.meta?.strips ? inStrips(answer) : base;
    const data = figure.data.map((/** @type {any} */ trace) => {
      const series = answer.series[trace.meta];
      return { ...trace, x: (series?.t ?? []).map(localTime), y: series?.y ?? [] };
    });
    names = data.map((/** @type {any} */ trace) => trace.meta);
    await draw(chart, { ...figure, data });
    points = Math.max(0, ...data.map((/** @type {any} */ trace) => trace.x.length));
  }

  /** @param {Answer} answer */
  function inStrips(answer) {
    const filledNames = filled(base, answer.series).map((strip) => strip.name);
    const off = leavingOne(filledNames, switchedOff());
    for (const button of panel.querySelectorAll("[data-strip]")) {
      const name = button.getAttribute("data-strip") ?? "";
      button.toggleAttribute("hidden", !filledNames.includes(name));
      button.setAttribute("aria-pressed", String(!off.has(name)));
    }
    const strips = shown(base, answer.series, off);
    drawn = new Set(filledNames);
    columns = columnsOf(chart.clientWidth);
    chart.dataset.height = String(heightOf(strips.length, columns));
    const steps = answer.marks ?? [];
    marked = steps.length;
    level = answer.series.level?.y.at(-1) ?? level;
    // A single step needs no mark: mark the changes of the concurrency instead.
    const marks = steps.length > 1 ? steps : changes(answer.series.level, concurrency);
    return laidOut(
      base,
      strips,
      marks.map((mark) => ({ x: localTime(mark.t), text: mark.text })),
      columns,
    );
  }

  /** Return true for a new strip, step or concurrency. @param {Answer} answer */
  function isOther(answer) {
    return (
      (answer.marks ?? []).length !== marked ||
      answer.series.level?.y.some((value) => value !== null && value !== level) ||
      filled(base, answer.series).some((strip) => !drawn.has(strip.name))
    );
  }

  /** @param {Answer} answer */
  async function append(answer) {
    if (base.layout?.meta?.strips && isOther(answer)) {
      layOut();
      return;
    }
    const grown = names.map((_, index) => index).filter((index) => answer.series[names[index]]?.t.length);
    const grownSeries = grown.map((index) => answer.series[names[index]]);
    const update = { x: grownSeries.map((one) => one.t.map(localTime)), y: grownSeries.map((one) => one.y) };
    if (!grown.length) return;
    await Plotly.extendTraces(plot, update, grown);
    points += Math.max(...grownSeries.map((one) => one.t.length));
  }

  /** @param {Answer} answer */
  function sayNow(answer) {
    for (const now of panel.querySelectorAll("[data-now]")) {
      const value = answer.series[now.getAttribute("data-now") ?? ""]?.y.at(-1);
      if (value === null || value === undefined) continue;
      now.textContent = value.toFixed(Number(now.getAttribute("data-digits") ?? 0));
      now.closest("div")?.removeAttribute("hidden");
    }
  }

  async function showRange() {
    if (!points || !last) return;
    const range = minutes ? [localTime(last - minutes * 60_000), localTime(last)] : null;
    await Plotly.relayout(plot, range ? { "xaxis.range": range } : { "xaxis.autorange": true });
  }

  async function read() {
    const layout = layouts;
    asked = Date.now();
    const query = new URLSearchParams({ after: String(after), ...(of ? { set: of } : {}) });
    const parse = (/** @type {Response} */ response) => (response.ok ? response.json() : null);
    const options = { headers: { accept: "application/json" } };
    const answer = /** @type {Answer | null} */ (await readAgain(`${address}?${query}`, parse, options));
    if (!answer || query.get("set") !== (of || null)) return; // the selection changed meanwhile
    open = answer.open;
    panel.dataset.open = open ? "yes" : "no";
    const title = panel.querySelector("[data-title-after]");
    if (!open && title instanceof HTMLElement) title.textContent = title.dataset.titleAfter ?? "";
    const times = Object.values(answer.series).map((one) => one.t.at(-1) ?? 0);
    if (Math.max(0, ...times)) {
      last = Math.max(last, ...times);
      await (after < 0 || !points ? replace(answer) : append(answer));
      if (minutes) await showRange();
      sayNow(answer);
      panel.dataset.points = String(points);
    }
    if (layout !== layouts) return;
    after = points > MOST_POINTS ? -1 : answer.after;
  }

  /** Read all points again, for a chart with another strip, step, concurrency, selection or room. */
  function layOut() {
    after = -1;
    layouts += 1;
    ask();
  }

  /** Send one request at a time; calls during a request cause one more request. */
  async function ask() {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    try {
      const wait = asked + LEAST_MS - Date.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      await read();
    } finally {
      asking = false;
    }
    if (again) {
      again = false;
      ask();
    }
  }

  for (const button of panel.querySelectorAll("[data-strip]")) {
    button.addEventListener("click", () => {
      const off = leavingOne([...drawn], switchedOff());
      const name = button.getAttribute("data-strip") ?? "";
      if (!off.delete(name)) off.add(name);
      if ([...drawn].every((one) => off.has(one))) return; // one strip always stays
      localStorage.setItem(OFF, JSON.stringify([...off]));
      layOut();
    });
  }
  if (choice instanceof HTMLSelectElement) {
    choice.addEventListener("change", async () => {
      of = choice.value;
      last = 0;
      await replace({ after: -1, open, series: {} });
      layOut();
    });
  }
  for (const button of panel.querySelectorAll("[data-minutes]")) {
    button.addEventListener("click", () => {
      minutes = Number(button.getAttribute("data-minutes"));
      for (const other of panel.querySelectorAll("[data-minutes]")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      showRange();
    });
  }
  new ResizeObserver(() => {
    if (!columns || columnsOf(chart.clientWidth) === columns) return;
    layOut();
  }).observe(chart);
  document.addEventListener("live:notification", (event) => {
    const notification = /** @type {CustomEvent} */ (event).detail ?? {};
    const about = notification.type === "points" ? notification.job : notification.type === "job" ? notification.id : null;
    if (about !== null && String(about) === panel.dataset.job) ask();
  });
  const timer = setInterval(() => {
    if (!open) clearInterval(timer);
    else if (!document.hidden && Date.now() - asked >= POLL_MS) ask();
  }, POLL_MS / 4);
  document.addEventListener("visibilitychange", () => {
    if (open && !document.hidden) ask();
  });
  ask();
}

for (const panel of document.querySelectorAll("[data-live-chart]")) {
  if (panel instanceof HTMLElement) follow(panel);
}
