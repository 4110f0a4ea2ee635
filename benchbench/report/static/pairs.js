// A table of pairs from which one pair, or all that one has, is chosen by name.

document.querySelectorAll("table[data-pairs]").forEach((table) => {
  const rows = Array.from(table.tBodies[0].rows);
  const names = (row) => [row.cells[0].textContent, row.cells[1].textContent];
  const all = Array.from(new Set(rows.flatMap(names)));
  const region = table.closest(".wide");
  const chosen = [["Between", "One of the pair"], ["and", "The other of the pair"]].map(([word, name]) => {
    const select = make("select", { "aria-label": name }, option("", "any"), ...all.map((name) => option(name, name)));
    return { label: make("label", {}, `${word} `, select), select };
  });
  const said = make("output", { "aria-live": "polite" });
  const choose = () => {
    const wanted = chosen.map(({ select }) => select.value).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits = wanted.every((name) => names(row).includes(name));
      shown += fits;
      // The filter by words has the attribute `hidden` for itself.
      row.style.display = fits ? "" : "none";
    }
    said.textContent = wanted.length ? `${shown} of ${rows.length} pairs` : "";
  };
  for (const { select } of chosen) select.addEventListener("change", choose);
  region.before(make("div", { class: "tools" }, ...chosen.map(({ label }) => label), said));
});
