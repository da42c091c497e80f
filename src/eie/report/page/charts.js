// Draws every chart (vegaEmbed is the bundle above) to the width of its place. A panelled chart gets as many columns as fit.
const AXIS = 105, OWN_AXIS = 60, GAP = 24, NARROWEST = 230;
function fitted(spec, width) {
  const sized = structuredClone(spec);
  if (sized.facet) {
    const columns = Math.max(1, Math.min(sized.columns ?? 1, Math.floor((width - AXIS) / NARROWEST)));
    const between = GAP + (sized.resolve?.scale?.y === "independent" ? OWN_AXIS : 0);
    sized.columns = columns;
    sized.spec.width = Math.floor((width - AXIS - between * (columns - 1)) / columns);
  } else {
    sized.width = width - AXIS;
  }
  return sized;
}
const charts = JSON.parse(document.getElementById("charts").textContent);
async function draw() {
  const options = { renderer: "svg", actions: { export: true, source: false, compiled: false, editor: false } };
  for (const place of document.querySelectorAll("[data-chart]")) {
    const result = await window.vegaEmbed(place, fitted(charts[place.dataset.chart], place.clientWidth), options);
    place.dataset.drawn = String(result.view.scenegraph().root.bounds.width() > 0);
  }
}
let width = document.body.clientWidth, waiting;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => { if (document.body.clientWidth !== width) { width = document.body.clientWidth; draw(); } }, 200);
});
draw();
