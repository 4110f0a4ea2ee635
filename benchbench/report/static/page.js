// What the page does once it is there; it is whole without any script.

// What is folded on the screen is unfolded on paper.
let opened = [];
addEventListener("beforeprint", () => {
  opened = Array.from(document.querySelectorAll("details:not([open])"));
  for (const each of opened) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of opened) each.open = false;
});

root.classList.add("scripted");
document.querySelectorAll("table.data").forEach(enhanceTable);
document.querySelectorAll("figure.gallery").forEach(enhanceGallery);
document.querySelectorAll("figure.flame").forEach(enhanceFlame);
const island = byId("explorer-data");
if (island && byId("explorer")) drawExplorer(JSON.parse(island.textContent));
root.dataset.ready = String(Math.round(performance.now()));
