// @ts-check
/**
 * Points of charts that open something: a trace with `customdata` holds an address per point. With the meta
 * "point", the page of that address is shown in a dialog; else the browser goes there. Without a mouse, the
 * arrow keys walk over the points of a focused chart, and Enter opens.
 */

const TITLE = "point-title";
const POINT = "point"; // as dashboard/charts/curves.py
const STEPS = new Map([["ArrowRight", 1], ["ArrowDown", 1], ["ArrowLeft", -1], ["ArrowUp", -1]]);

/**
 * Return the address of a point of a trace; "" without one.
 * @param {any} trace
 * @param {number} index
 */
export function addressOf(trace, index) {
  const address = Array.isArray(trace?.customdata) ? trace.customdata[index] : undefined;
  return typeof address === "string" && address.startsWith("/") ? address : "";
}

/**
 * Return all points with a value and an address, as (trace, point) numbers, trace by trace.
 * @param {any[]} traces
 * @returns {{curveNumber: number, pointNumber: number}[]}
 */
export function openable(traces) {
  return traces.flatMap((trace, curveNumber) =>
    (Array.isArray(trace.y) && !Array.isArray(trace.z) ? trace.y : []).flatMap((/** @type {any} */ y, /** @type {number} */ pointNumber) =>
      y !== null && y !== undefined && addressOf(trace, pointNumber) ? [{ curveNumber, pointNumber }] : [],
    ),
  );
}

/** @param {string} address @returns {Promise<{title: string, content: Element} | null>} */
async function pageOf(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const content = page.querySelector("[data-point-page]");
  return answer.ok && content ? { title: page.querySelector("main h1")?.textContent?.trim() ?? "", content } : null;
}

/** @param {string} title @param {Element} content */
function show(title, content) {
  const dialog = document.createElement("dialog");
  dialog.className = "sheet wide";
  dialog.setAttribute("aria-labelledby", TITLE);
  const head = document.createElement("form");
  head.method = "dialog";
  head.className = "row0";
  const heading = document.createElement("h2");
  heading.id = TITLE;
  heading.textContent = title;
  const close = document.createElement("button");
  close.className = "btn sm push";
  close.textContent = gettext("Close");
  head.append(heading, close);
  dialog.append(head, document.importNode(content, true));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Show the page of a point in a dialog, or go there where that fails. @param {string} address */
export async function openPoint(address) {
  const page = await pageOf(address).catch(() => null);
  if (page) show(page.title, page.content);
  else location.assign(address);
}

/** @param {any} plot @param {{curveNumber: number, pointNumber: number}} at */
function open(plot, at) {
  const trace = plot.data[at.curveNumber];
  const address = addressOf(trace, at.pointNumber);
  if (!address) return;
  if (trace.meta === POINT) openPoint(address);
  else location.assign(address);
}

/**
 * Return what a screen reader says of a point: trace, x and y.
 * @param {any} trace
 * @param {number} index
 */
export function spoken(trace, index) {
  const text = trace.text?.[index];
  const y = Number(trace.y[index]);
  // A trace of several runs has no name: the texts of its points are their runs.
  const [name, own] = trace.name === "" ? [text, trace.x[index]] : [trace.name, text || trace.hovertext?.[index] || trace.x[index]];
  return [name, own, Number.isFinite(y) ? Number(y.toPrecision(4)) : trace.y[index]].filter(Boolean).join(", ");
}

/**
 * Bind a drawn plot once. It takes the focus if it has points to open.
 * @param {any} plot
 */
export function bindPoints(plot) {
  if (plot.dataset.points) return;
  if (!plot.data.some((/** @type {any} */ trace) => Array.isArray(trace.customdata))) return;
  plot.dataset.points = "yes";
  plot.on("plotly_click", (/** @type {any} */ event) => {
    const point = event.points?.[0];
    if (!point) return;
    // A heat map has an address per cell, which Plotly resolves.
    if (point.data.z) {
      if (typeof point.customdata === "string" && point.customdata.startsWith("/")) location.assign(point.customdata);
    } else open(plot, { curveNumber: point.curveNumber, pointNumber: point.pointNumber ?? point.pointIndex });
  });
  if (!openable(plot.data).length) return;
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  const speech = document.createElement("p");
  speech.className = "vh";
  speech.setAttribute("aria-live", "polite");
  plot.after(speech);
  let at = -1;
  plot.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.target !== plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const points = openable(plot.data);
    const step = STEPS.get(event.key);
    if (step !== undefined) {
      event.preventDefault();
      at = at < 0 ? (step > 0 ? 0 : points.length - 1) : Math.min(points.length - 1, Math.max(0, at + step));
      const { curveNumber, pointNumber } = points[at];
      Plotly.Fx.hover(plot, [points[at]]);
      speech.textContent = spoken(plot.data[curveNumber], pointNumber);
    } else if (event.key === "Enter" && points[at]) {
      event.preventDefault();
      open(plot, points[at]);
    }
  });
  plot.addEventListener("blur", () => {
    at = -1;
    Plotly.Fx.unhover(plot);
  });
}
