// Draws every chart (vegaEmbed is the bundle above) to the width of its place. A panelled chart gets as many columns as fit.
// The labels beside the axis get the room that the longest needs, less than half of the place.
const AXIS = 105, OWN_AXIS = 60, GAP = 24, NARROWEST = 230, LETTER = 6.2, MOST = 0.45;
function fitted(spec, width) {
  const sized = structuredClone(spec);
  const layers = (sized.spec ?? sized).layer ?? [sized.spec ?? sized];
  const named = layers.filter((layer) => layer.encoding?.y?.field === "category" || layer.encoding?.y?.field === "name");
  const rows = [...(sized.data?.values ?? []), ...Object.values(sized.datasets ?? {}).flat()];
  const longest = Math.max(0, ...rows.map((row) => String(row.category ?? row.name ?? "").length));
  const axis = named.length ? Math.max(AXIS, Math.min(longest * LETTER + GAP, width * MOST)) : AXIS;
  for (const layer of named) layer.encoding.y.axis = { ...layer.encoding.y.axis, labelLimit: axis - GAP };
  if (sized.facet) {
    const columns = Math.max(1, Math.min(sized.columns ?? 1, Math.floor((width - axis) / NARROWEST)));
    const between = GAP + (sized.resolve?.scale?.y === "independent" ? OWN_AXIS : 0);
    sized.columns = columns;
    sized.spec.width = Math.floor((width - axis - between * (columns - 1)) / columns);
  } else {
    sized.width = width - axis;
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
