// Tables that are sorted by their headings and filtered by words.

function sortKey(row, column) {
  const cell = row.cells[column];
  // A row with a reason in place of its figures has fewer cells.
  if (!cell || cell.classList.contains("reason")) return null;
  if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
  if (cell.classList.contains("n")) return null;
  return cell.textContent.trim().toLowerCase();
}

function compare(one, other, sign) {
  // What has no figure comes last, whichever way is sorted.
  if (one === null || other === null) return (one === null) - (other === null);
  if (typeof one === "number") return sign * (one - other);
  return sign * one.localeCompare(other, "en", { numeric: true });
}

function enhanceTable(table) {
  const body = table.tBodies[0];
  // Seeds stay below the line that they belong to.
  const groups = [];
  for (const row of body.rows) {
    if (row.classList.contains("seed") && groups.length) groups[groups.length - 1].push(row);
    else groups.push([row]);
  }
  if (groups.length < 2) return;
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const button = make("button", { type: "button", class: "sort" }, ...head.childNodes);
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" };
      const order = next[head.getAttribute("aria-sort")];
      for (const each of heads) each.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", order);
      const sign = order === "descending" ? -1 : 1;
      const by = (rows) => rows.slice().sort((a, b) => compare(sortKey(a, column), sortKey(b, column), sign));
      const ordered = groups.map(([first, ...seeds]) => [first, ...(order === "none" ? seeds : by(seeds))]);
      if (order !== "none") {
        ordered.sort((a, b) => compare(sortKey(a[0], column), sortKey(b[0], column), sign));
      }
      body.append(...ordered.flat());
    });
  });
  // What only explains names is read, not searched.
  if (groups.length >= 4 && heads.length > 2) addFilter(table, groups);
}

function addFilter(table, groups) {
  const region = table.closest(".wide");
  const field = make("input", {
    type: "search", autocomplete: "off", spellcheck: "false",
    "aria-label": `Filter the rows of: ${region.getAttribute("aria-label")}`,
  });
  const said = make("output", { "aria-live": "polite" });
  const label = make("label", {}, "Filter ", field);
  region.before(make("div", { class: "tools" }, label, said));
  field.addEventListener("input", () => {
    const words = field.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const rows of groups) {
      const text = rows.map((row) => row.textContent).join(" ").toLowerCase();
      const fits = words.every((word) => text.includes(word));
      shown += fits;
      for (const row of rows) row.hidden = !fits;
    }
    said.textContent = words.length ? `${shown} of ${groups.length} rows` : "";
  });
}
