// @ts-check
/** Strips of a live chart: selection and layout. Pure. */

const STRIP_PX = 92;
const FRAME_PX = 40; // ticks of the common axis and margin above the first strip
const COLUMN_PX = 280; // the least width of a column
const GAP = 0.05; // between columns, for the ticks of the second
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

/** Columns of strips in a chart of this width. @param {number} width pixels */
export function columnsOf(width) {
  return Math.min(3, Math.max(1, Math.floor(width / COLUMN_PX)));
}

/** @param {number} count of strips @param {number} columns */
export function heightOf(count, columns) {
  return FRAME_PX + STRIP_PX * Math.max(1, Math.ceil(count / columns));
}

/**
 * Return the strips of each column: as few rows as possible, and no column without a strip.
 * @param {Strip[]} strips @param {number} most columns
 */
function spread(strips, most) {
  const rows = Math.max(1, Math.ceil(strips.length / most));
  const columns = Math.max(1, Math.ceil(strips.length / rows));
  const ends = Array.from({ length: columns + 1 }, (_, column) => Math.ceil((column * strips.length) / columns));
  return ends.slice(1).map((end, column) => strips.slice(ends[column], end));
}

/**
 * Return the figure with these strips, each below its title: down one column, then down the next. Columns
 * have one range of time. Marks are lines across all strips of a column.
 * @param {any} figure
 * @param {Strip[]} strips
 * @param {{x: string, text: string}[]} marks
 * @param {number} columns
 */
export function laidOut(figure, strips, marks, columns = 1) {
  const { xaxis, ...rest } = figure.layout;
  const layout = Object.fromEntries(Object.entries(rest).filter(([key]) => !key.startsWith("yaxis")));
  const parts = spread(strips, columns);
  const height = 1 / Math.max(1, parts[0].length);
  /** @type {Record<string, string>} the time axis of each strip */
  const times = {};
  layout.annotations = [];
  layout.shapes = [];
  parts.forEach((own, column) => {
    const name = column ? String(column + 1) : "";
    const begin = column / parts.length + (column ? GAP : 0);
    const bottom = 1 - Math.max(1, own.length) * height;
    own.forEach((strip, place) => {
      const top = 1 - place * height - height * HEAD;
      const axis = `yaxis${strip.axis.slice(1)}`;
      layout[axis] = { ...figure.layout[axis], anchor: `x${name}`, domain: [1 - (place + 1) * height, top] };
      layout.annotations.push(heading(strip.title, begin, top));
      times[strip.axis] = `x${name}`;
    });
    const shared = column ? { matches: "x" } : {};
    layout[`xaxis${name}`] = { ...xaxis, ...shared, anchor: own.at(-1)?.axis ?? "y", domain: [begin, (column + 1) / parts.length] };
    for (const mark of marks) {
      layout.annotations.push(markName(mark, `x${name}`, bottom));
      layout.shapes.push({
        type: "line",
        x0: mark.x,
        x1: mark.x,
        xref: `x${name}`,
        y0: bottom,
        y1: 1,
        yref: "paper",
        line: { color: "var(--line-control)", width: 1, dash: "dot" },
      });
    }
  });
  const data = figure.data
    .filter((/** @type {any} */ trace) => trace.yaxis in times)
    .map((/** @type {any} */ trace) => ({ ...trace, xaxis: times[trace.yaxis] }));
  return { ...figure, data, layout };
}

/** @param {{x: string, text: string}} mark @param {string} axis @param {number} bottom */
function markName(mark, axis, bottom) {
  return {
    text: mark.text,
    x: mark.x,
    xref: axis,
    y: bottom,
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
 * @param {number} left
 * @param {number} top
 */
function heading(text, left, top) {
  return {
    text,
    x: left,
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
