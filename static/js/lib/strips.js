// @ts-check
/** Strips of a live chart: selection and layout. Pure. */

const STRIP_PX = 92;
const FRAME_PX = 40; // ticks of the common axis and margin above the first strip
const HEAD = 0.26; // share of a strip's height for its title

/** @typedef {{name: string, title: string, axis: string}} Strip */
/** @typedef {{t: number[], y: (number | null)[]}} Series */

/**
 * Return the strips of `figure` with data that are not switched off, top to bottom.
 * @param {any} figure
 * @param {Record<string, Series>} series
 * @param {Set<string>} off
 * @returns {Strip[]}
 */
export function shown(figure, series, off) {
  return filled(figure, series).filter((strip) => !off.has(strip.name));
}

/**
 * Return the strips with data.
 * @param {any} figure
 * @param {Record<string, Series>} series
 * @returns {Strip[]}
 */
export function filled(figure, series) {
  return figure.layout.meta.strips.filter((/** @type {Strip} */ strip) =>
    figure.data.some(
      (/** @type {any} */ trace) =>
        trace.yaxis === strip.axis && series[trace.meta]?.y.some((value) => value !== null),
    ),
  );
}

/**
 * Return the switched-off strips, or an empty set when all would be off: a chart is never empty.
 * @param {string[]} filledNames strips with data
 * @param {Set<string>} off
 * @returns {Set<string>}
 */
export function leavingOne(filledNames, off) {
  return filledNames.every((name) => off.has(name)) ? new Set() : off;
}

/**
 * Return the changes of a series, including its first value: ``[{t, text}]``.
 * @param {Series | undefined} series
 * @param {(value: number) => string} name
 */
export function changes(series, name) {
  /** @type {{t: number, text: string}[]} */
  const marks = [];
  let before = null;
  for (const [index, value] of (series?.y ?? []).entries()) {
    if (value !== null && value !== before) marks.push({ t: series?.t[index] ?? 0, text: name(value) });
    before = value ?? before;
  }
  return marks;
}

/** @param {number} count of strips */
export function heightOf(count) {
  return FRAME_PX + STRIP_PX * Math.max(1, count);
}

/**
 * Return the figure with these strips from top to bottom, each below its title. Marks are lines across
 * all strips.
 * @param {any} figure
 * @param {Strip[]} strips
 * @param {{x: string, text: string}[]} marks
 */
export function laidOut(figure, strips, marks) {
  const { xaxis, ...rest } = figure.layout;
  const layout = Object.fromEntries(Object.entries(rest).filter(([key]) => !key.startsWith("yaxis")));
  const height = 1 / Math.max(1, strips.length);
  const annotations = marks.map((mark) => markName(mark));
  strips.forEach((strip, place) => {
    const top = 1 - place * height - height * HEAD;
    const axis = `yaxis${strip.axis.slice(1)}`;
    layout[axis] = { ...figure.layout[axis], domain: [1 - (place + 1) * height, top] };
    annotations.push(heading(strip.title, top));
  });
  layout.xaxis = { ...xaxis, anchor: strips.at(-1)?.axis ?? "y" };
  layout.annotations = annotations;
  layout.shapes = marks.map((mark) => ({
    type: "line",
    x0: mark.x,
    x1: mark.x,
    y0: 0,
    y1: 1,
    yref: "paper",
    line: { color: "var(--line-control)", width: 1, dash: "dot" },
  }));
  const axes = new Set(strips.map((strip) => strip.axis));
  return { ...figure, data: figure.data.filter((/** @type {any} */ trace) => axes.has(trace.yaxis)), layout };
}

/** @param {{x: string, text: string}} mark */
function markName(mark) {
  return {
    text: mark.text,
    x: mark.x,
    y: 0,
    yref: "paper",
    xanchor: "left",
    yanchor: "bottom",
    xshift: 5, // distance to its line and to the ticks below
    yshift: 6,
    textangle: "-90",
    showarrow: false,
    font: { color: "var(--ink-3)", size: 10 },
  };
}

/**
 * @param {string} text
 * @param {number} top
 */
function heading(text, top) {
  return {
    text,
    x: 0,
    y: top,
    xref: "paper",
    yref: "paper",
    xanchor: "left",
    yanchor: "bottom",
    yshift: 4,
    showarrow: false,
    font: { color: "var(--ink)", size: 12, weight: 600 },
  };
}
