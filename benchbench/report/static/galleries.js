// Pictures side by side: one zoom for all of a gallery, and their difference.

const MOST_ZOOM = 16;

function enhanceGallery(figure) {
  const region = figure.querySelector(".wide");
  const frames = Array.from(figure.querySelectorAll(".frame"));
  if (!frames.length) return;
  let zoom = 1, x = 0, y = 0;
  const level = make("output", { class: "level", "aria-live": "polite" }, "1x");

  function apply() {
    x = Math.min(Math.max(x, 0), zoom - 1);
    y = Math.min(Math.max(y, 0), zoom - 1);
    figure.style.setProperty("--zoom", zoom);
    figure.style.setProperty("--left", `${-100 * x}%`);
    figure.style.setProperty("--top", `${-100 * y}%`);
    figure.classList.toggle("zoomed", zoom > 1);
    level.textContent = `${zoom.toFixed(zoom < 10 && zoom % 1 ? 1 : 0)}x`;
  }

  // (fx, fy) is the place in a frame, from 0 to 1, that stays where it is.
  function zoomBy(factor, fx, fy) {
    const next = Math.min(Math.max(zoom * factor, 1), MOST_ZOOM);
    x = ((x + fx) / zoom) * next - fx;
    y = ((y + fy) / zoom) * next - fy;
    zoom = next;
    apply();
  }

  function place(frame, event) {
    const box = frame.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  function panBy(dx, dy) {
    x += dx;
    y += dy;
    apply();
  }

  function reset() {
    zoom = 1;
    apply();
  }

  const keys = {
    "+": () => zoomBy(1.5, 0.5, 0.5), "=": () => zoomBy(1.5, 0.5, 0.5),
    "-": () => zoomBy(1 / 1.5, 0.5, 0.5), "0": reset,
  };
  const arrows = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] };
  region.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // At 1x an arrow scrolls, as everywhere.
    if (keys[event.key]) keys[event.key]();
    else if (arrows[event.key] && zoom > 1) panBy(...arrows[event.key]);
    else return;
    event.preventDefault();
  });

  const touching = new Map();
  for (const frame of frames) {
    frame.addEventListener("wheel", (event) => {
      // The page must scroll past pictures: a wheel zooms where a reader has clicked, or with Ctrl.
      if (!event.ctrlKey && !region.contains(document.activeElement)) return;
      event.preventDefault();
      zoomBy(Math.exp(-Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 100) / 250), ...place(frame, event));
    }, { passive: false });
    frame.addEventListener("pointerdown", (event) => {
      touching.set(event.pointerId, event);
      if (zoom > 1 || touching.size > 1) frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointermove", (event) => {
      const before = touching.get(event.pointerId);
      if (!before) return;
      const box = frame.getBoundingClientRect();
      const other = Array.from(touching.values()).find((each) => each.pointerId !== event.pointerId);
      if (other) {
        const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
        zoomBy(apart(event) / Math.max(apart(before), 1), ...place(frame, other));
      } else if (zoom > 1) {
        panBy((before.clientX - event.clientX) / box.width, (before.clientY - event.clientY) / box.height);
      }
      touching.set(event.pointerId, event);
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      frame.addEventListener(end, (event) => touching.delete(event.pointerId));
    }
  }

  const buttons = [["−", "Zoom out", keys["-"]], ["+", "Zoom in", keys["+"]], ["Reset", "Reset the zoom", reset]];
  const tools = make("div", { class: "tools" });
  for (const [text, label, act] of buttons) {
    const button = make("button", { type: "button", "aria-label": label }, text);
    button.addEventListener("click", act);
    tools.append(button);
  }
  tools.append(level);
  addDifference(figure, tools);
  tools.append(make("span", { class: "hint" },
    "Click a picture, then turn the wheel or press + and −, drag or use the arrows; 0 resets."));
  region.before(tools);
}

function addDifference(figure, tools) {
  const rows = Array.from(figure.querySelectorAll("tr[data-label]"));
  if (rows.length < 2) return;
  const show = make("select", {}, option("", "pictures"), option("baseline", "difference from the baseline"));
  rows.forEach((row, at) => show.append(option(at, `difference from ${row.dataset.label}`)));
  if (!rows.some((row) => row.dataset.baseline && row.dataset.baseline !== row.dataset.label)) show.remove(1);
  const gain = make("select", {}, ...[1, 2, 3, 4, 5, 6, 7, 8].map((times) => option(times, `x${times}`)));
  gain.value = "4";
  const amplified = make("label", {}, "Amplified ", gain);
  amplified.hidden = true;
  tools.append(make("label", {}, "Show ", show), amplified);

  let asked = 0;
  async function update() {
    const mine = ++asked;
    amplified.hidden = !show.value;
    for (const made of figure.querySelectorAll("canvas.difference, small.differs")) made.remove();
    if (!show.value) return;
    for (const row of rows) {
      const other = show.value === "baseline"
        ? rows.find((each) => each.dataset.label === row.dataset.baseline)
        : rows[Number(show.value)];
      for (const cell of row.querySelectorAll("td[data-kind]")) {
        const pair = other && Array.from(other.cells).find((each) => each.dataset.kind === cell.dataset.kind);
        const image = cell.querySelector("img");
        const reference = pair && pair.querySelector("img");
        if (!image || !reference) continue;
        if (other === row) {
          cell.append(make("small", { class: "differs" }, "the reference"));
          continue;
        }
        await Promise.all([image.decode(), reference.decode()]);
        // Another choice was made in the meantime.
        if (mine !== asked) return;
        const { canvas, mean, largest } = difference(image, reference, Number(gain.value));
        const words = `differs by ${mean.toFixed(1)} of 255 on average, by ${largest} at most`;
        canvas.setAttribute("aria-label", `${image.alt}: difference from ${other.dataset.label}, ${words}`);
        image.after(canvas);
        cell.append(make("small", { class: "differs" }, words));
      }
    }
    figure.dataset.shown = show.value;
  }
  show.addEventListener("change", update);
  gain.addEventListener("change", update);
}

/** |image - reference| times `gain` on a canvas as large as the image, with its mean and maximum. */
function difference(image, reference, gain) {
  const width = image.naturalWidth, height = image.naturalHeight;
  const canvas = make("canvas", { class: "difference", role: "img", width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pixels = (source) => {
    context.drawImage(source, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  };
  const theirs = pixels(reference).data;
  const ours = pixels(image);
  let sum = 0, largest = 0;
  for (let at = 0; at < theirs.length; at += 1) {
    if (at % 4 === 3) continue;
    const apart = Math.abs(ours.data[at] - theirs[at]);
    sum += apart;
    if (apart > largest) largest = apart;
    ours.data[at] = apart * gain;
  }
  context.putImageData(ours, 0, 0);
  return { canvas, mean: sum / (width * height * 3), largest };
}
