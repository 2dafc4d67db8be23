// @ts-check
/** In a frame without rights: draw the Mermaid sources that the page sends. No module, because such a frame loads none. */
(function () {
  "use strict";
  const mermaid = /** @type {any} */ (window).mermaid;
  let count = 0;
  /** One at a time: Mermaid has one configuration. @type {Promise<void>} */
  let last = Promise.resolve();

  /** @param {string} source @param {boolean} isDark @returns {Promise<string>} an image that needs nothing else */
  async function drawn(source, isDark) {
    mermaid.initialize({
      startOnLoad: false,
      securityLevel: "strict",
      suppressErrorRendering: true,
      htmlLabels: false,
      flowchart: { htmlLabels: false },
      theme: isDark ? "dark" : "neutral",
      fontFamily: "sans-serif",
    });
    const { svg } = await mermaid.render(`diagram-${(count += 1)}`, source);
    const host = document.createElement("div");
    host.innerHTML = svg;
    const root = /** @type {SVGElement} */ (host.querySelector("svg"));
    const [, , width, height] = (root.getAttribute("viewBox") ?? "0 0 600 400").split(/[ ,]+/);
    root.setAttribute("width", width);
    root.setAttribute("height", height);
    return new XMLSerializer().serializeToString(root);
  }

  /** @param {any} error @returns {string} the first line */
  function reason(error) {
    return String(error?.message ?? error).split("\n", 1)[0].replace(/:\s*$/, "").slice(0, 200);
  }

  addEventListener("message", ({ source: asker, data }) => {
    if (asker !== parent) return;
    const { id, source, isDark } = data;
    last = last.then(async () => {
      try {
        parent.postMessage({ id, svg: await drawn(source, isDark) }, "*");
      } catch (error) {
        parent.postMessage({ id, problem: reason(error) }, "*");
      }
    });
  });
  parent.postMessage("ready", "*");
})();
