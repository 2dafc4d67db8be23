// @ts-check
/**
 * Draw the charts of a report: a script of the file itself, not a module. Markup: templates/reports/_block.html.
 * Colours are final, see dashboard/reports/writers.py.
 */
(function () {
  "use strict";
  const PRINT_WIDTH = 680; // px: A4 without its margins, css/report.css
  const [ROW, IN_A_ROW] = [22, 3]; // px of a row of names, and names in it
  const CONFIG = { displayModeBar: false, displaylogo: false, responsive: true, plotlyServerURL: "" };
  const json = (/** @type {string} */ id) => JSON.parse(document.getElementById(id)?.textContent ?? "null");
  const template = json("chart-template");
  const plots = /** @type {any[]} */ ([...document.querySelectorAll("[data-chart]")]);

  /** Let a printed chart scale to its place, whatever the width of the window was. @param {any} plot */
  function scalable(plot) {
    const images = plot.querySelectorAll(".main-svg");
    const [width, height] = ["width", "height"].map((name) => images[0].getAttribute(name));
    for (const image of images) image.setAttribute("viewBox", `0 0 ${width} ${height}`);
    plot.style.setProperty("--ratio", `${width} / ${height}`);
  }

  for (const plot of plots) {
    const { data, layout, height } = json(plot.dataset.chart);
    const named = data.filter((/** @type {any} */ trace) => trace.showlegend !== false && trace.type !== "heatmap");
    const shown = { ...layout, template, height, autosize: true, showlegend: named.length > 1 };
    // Below the axis and its title: above, it covers points and what hollow ones mean.
    if (shown.showlegend && !layout.legend) {
      const room = ROW * Math.ceil(named.length / IN_A_ROW);
      shown.height += room;
      shown.margin = { ...layout.margin, b: layout.margin.b + room };
      shown.legend = { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom" };
    }
    Plotly.newPlot(plot, data, shown, CONFIG).then(() => {
      scalable(plot);
      plot.on("plotly_afterplot", () => scalable(plot));
      plot.dataset.drawn = "yes";
    });
  }
  window.addEventListener("beforeprint", () => {
    for (const plot of plots) Plotly.relayout(plot, { width: PRINT_WIDTH, autosize: false });
  });
  window.addEventListener("afterprint", () => {
    for (const plot of plots) Plotly.relayout(plot, { width: null, autosize: true });
  });
})();
