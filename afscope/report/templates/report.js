"use strict";
// Zoom, read-out, theme and print. The page says everything without it; the values are read back from the paths.
(() => {
  const NICE = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const root = document.documentElement;

  function theme() {
    const button = document.getElementById("theme");
    const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    const show = () => { button.textContent = dark() ? "☀ " + button.dataset.light : "☾ " + button.dataset.dark; };
    button.hidden = false;
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; show(); });
    show();
  }

  // "M3 0v2h10v-1h5V0": [[3, 2], [13, 1], [18, null]]
  function steps(d) {
    const out = [];
    let x = 0, y = 0;
    for (const [, op, a, b] of d.matchAll(/([MhvV])(-?[\d.]+)(?: (-?[\d.]+))?/g)) {
      if (op === "M") { x = +a; y = +b; }
      else if (op === "h") x += +a;
      else if (op === "v") { y += +a; out.push([x, y]); }
      else { y = 0; out.push([x, null]); }
      if (op === "M") out.push([x, y]);
    }
    return out;
  }

  function at(list, x) {
    let low = 0, high = list.length;
    while (low < high) { const mid = (low + high) >> 1; if (list[mid][0] <= x) low = mid + 1; else high = mid; }
    return low ? list[low - 1][1] : null;
  }

  function chart(figure) {
    const width = +figure.dataset.width, start = +figure.dataset.start, offset = +figure.dataset.offset;
    const boxes = [...figure.querySelectorAll(".box")], axis = figure.querySelector("[data-axis]");
    const out = figure.querySelector(".tools output");
    const lanes = [...figure.querySelectorAll("output[data-of]")].map((node) => ({
      node, list: steps((figure.querySelector("path." + node.dataset.of) || { getAttribute: () => "" }).getAttribute("d")),
    }));
    const cursors = boxes.map((box) => { const c = document.createElement("i"); c.className = "cursor"; c.hidden = true; box.append(c); return c; });
    let from = 0, span = width;

    const text = (x, seconds) => new Date(start + x * 100 + offset * 1000).toISOString().slice(11, seconds ? 19 : 16);

    function draw() {
      for (const box of boxes) {
        const svg = box.querySelector("svg"), tall = svg.viewBox.baseVal.height;
        svg.setAttribute("viewBox", `${from} 0 ${span} ${tall}`);
        for (const mark of box.querySelectorAll(".on")) {
          const place = (mark.dataset.at / 100 * width - from) / span * 100;
          mark.hidden = place < 0 || place > 100;
          mark.style.left = place + "%";
        }
      }
      const length = span / 10, most = Math.min(7, Math.max(2, Math.floor(axis.clientWidth / 75))), step = NICE.find((s) => s * most >= length) || 86400 * Math.ceil(length / 86400 / most);
      const first = Math.ceil((start / 1000 + offset + from / 10) / step) * step;
      axis.classList.add("live");
      axis.replaceChildren();
      for (let t = first; ; t += step) {
        const x = (t - offset - start / 1000) * 10;
        if (x > from + span * .93) break; // a label needs room to its right
        const label = document.createElement("span");
        label.style.left = (x - from) / span * 100 + "%";
        label.textContent = step >= 43200 ? new Date(t * 1000).toISOString().slice(5, 16).replace("T", " ") : text(x, step < 60);
        axis.append(label);
      }
    }

    function zoom(left, length) {
      span = Math.min(width, Math.max(length, Math.min(width, 50)));
      from = Math.min(Math.max(left, 0), width - span);
      draw();
    }

    function read(share) {
      const x = from + share * span;
      out.textContent = text(x, true);
      for (const lane of lanes) { const v = at(lane.list, x); lane.node.textContent = v === null ? "–" : Math.round(v * 100) / 100; }
      for (const c of cursors) { c.hidden = false; c.style.left = share * 100 + "%"; }
    }

    for (const box of boxes) {
      let begun = null, brush = null;
      const share = (event) => { const r = box.getBoundingClientRect(); return Math.min(1, Math.max(0, (event.clientX - r.left) / r.width)); };
      box.addEventListener("pointerdown", (event) => { begun = share(event); box.setPointerCapture(event.pointerId); });
      box.addEventListener("pointermove", (event) => {
        const now = share(event);
        read(now);
        if (begun === null) return;
        if (!brush) { brush = document.createElement("i"); brush.className = "brush"; box.append(brush); }
        brush.style.left = Math.min(begun, now) * 100 + "%";
        brush.style.width = Math.abs(now - begun) * 100 + "%";
      });
      const end = (event) => {
        if (begun !== null && event.type === "pointerup") {
          const now = share(event), low = Math.min(begun, now), size = Math.abs(now - begun);
          if (size > .01) zoom(from + low * span, size * span);
        }
        begun = null;
        if (brush) brush.remove();
        brush = null;
      };
      box.addEventListener("pointerup", end);
      box.addEventListener("pointercancel", end);
      box.addEventListener("dblclick", () => zoom(0, width));
    }
    const middle = () => from + span / 2;
    const acts = {
      in: () => zoom(middle() - span / 4, span / 2), out: () => zoom(middle() - span, span * 2), all: () => zoom(0, width),
      earlier: () => zoom(from - span / 2, span), later: () => zoom(from + span / 2, span),
    };
    for (const button of figure.querySelectorAll(".tools button")) button.addEventListener("click", acts[button.dataset.do]);
    figure.querySelector(".tools").hidden = false;
    draw();
    addEventListener("resize", draw);
  }

  theme();
  document.querySelectorAll(".chart").forEach(chart);
  document.querySelectorAll(".help").forEach((node) => { node.hidden = false; });
  const folded = [];
  addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach((d) => { folded.push(d); d.open = true; }));
  addEventListener("afterprint", () => { while (folded.length) folded.pop().open = false; });
})();
