// Flame graphs: one stop for Tab, arrows from bar to bar, and the figures of a bar written below them.

function enhanceFlame(figure) {
  const bars = Array.from(figure.querySelectorAll("svg > g"));
  if (!bars.length) return;
  const said = make("output", {});
  figure.append(said);
  const places = bars.map((bar) => {
    const box = bar.querySelector("rect");
    const [x, y, width] = ["x", "y", "width"].map((name) => Number(box.getAttribute(name)));
    return { x, y, end: x + width };
  });
  const tell = (at) => { said.textContent = bars[at].querySelector("title").textContent; };
  const choose = (at) => {
    for (const bar of bars) bar.setAttribute("tabindex", "-1");
    bars[at].setAttribute("tabindex", "0");
    bars[at].focus();
  };
  // The nearest bar of the row: within or around this one, or beside it.
  const near = (at, rows, across) => {
    const from = places[at];
    const found = places.findIndex((each, other) => other !== at && Math.abs(each.y - from.y - 22 * rows) < 1
      && (rows ? each.x < from.end - 0.01 && each.end > from.x + 0.01 : false));
    if (rows || !across) return found;
    const row = places.map((each, other) => other).filter((other) => Math.abs(places[other].y - from.y) < 1)
      .sort((a, b) => places[a].x - places[b].x);
    const next = row[row.indexOf(at) + across];
    return next === undefined ? -1 : next;
  };
  const moves = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  bars.forEach((bar, at) => {
    bar.setAttribute("tabindex", at ? "-1" : "0");
    bar.addEventListener("focus", () => tell(at));
    bar.addEventListener("pointerenter", () => tell(at));
    bar.addEventListener("click", () => choose(at));
    bar.addEventListener("keydown", (event) => {
      const move = moves[event.key];
      if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const next = near(at, ...move);
      if (next >= 0) choose(next);
    });
  });
}
