// Small charts of the last hour, drawn as SVG.

import { h } from "../common.js";
import { clock } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 150;
const LEFT = 52;
const BOTTOM = 20;
const TOP = 8;
const WIDE = 420;

function s(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** The next number whose half is round as well. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

/**
 * A chart with a legend. `series` are [name, class]; `kind` is "bars", one on the other, or "lines"; `format` tells a
 * value, and `least` is the smallest height of the axis.
 */
export class Chart {
  constructor(title, series, { kind = "bars", format = String, least = 1 } = {}) {
    Object.assign(this, { title, series, kind, format, least });
    this.reading = h("p", { class: "reading" });
    this.frame = h("div", { class: "frame" });
    this.element = h(
      "figure",
      { class: "card chart" },
      h("figcaption", {}, h("h2", {}, title), this.reading),
      this.frame,
      h("ul", { class: "legend" }, series.map(([name, kind]) => h("li", {}, h("span", { class: `swatch ${kind}` }), name))),
    );
    this.frame.addEventListener("pointermove", (event) => this.point(event));
    this.frame.addEventListener("pointerleave", () => this.read(null));
    new ResizeObserver(() => this.values && this.draw(this.times, this.values, this.now)).observe(this.frame);
  }

  /** Draw values by series and time (null where there is none); `now` is the sentence that stands above. */
  draw(times, values, now) {
    Object.assign(this, { times, values, now });
    const width = Math.max(240, this.frame.clientWidth);
    this.step = (width - LEFT) / times.length;
    const sums = times.map((_, index) => {
      const column = values.map((series) => series[index] ?? 0);
      return this.kind === "bars" ? column.reduce((sum, value) => sum + value, 0) : Math.max(...column);
    });
    const top = roundUp(Math.max(this.least, ...sums));
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
    this.guide = s("line", { class: "guide", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    this.frame.replaceChildren(
      s(
        "svg",
        { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": `${this.title} in the last hour. ${now}` },
        ...this.grid(width, top, y),
        ...(this.kind === "bars" ? this.bars(y) : this.lines(y)),
        this.guide,
      ),
    );
    this.read(this.pointed ?? null);
  }

  grid(width, top, y) {
    const marks = [];
    for (const value of [0, top / 2, top]) {
      marks.push(s("line", { class: "grid", x1: LEFT, x2: width, y1: y(value), y2: y(value) }));
      marks.push(s("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, this.format(value)));
    }
    for (const minute of width < WIDE ? [0, 30, 60] : [0, 15, 30, 45, 60]) {
      const x = LEFT + ((width - LEFT) * minute) / 60;
      const anchor = minute === 0 ? "start" : minute === 60 ? "end" : "middle";
      const at = this.times.at(-1) - (60 - minute) * 60;
      marks.push(s("text", { x, y: HEIGHT - 5, "text-anchor": anchor }, clock(at)));
    }
    return marks;
  }

  bars(y) {
    const marks = [];
    const width = Math.max(1, this.step * 0.7);
    for (const index of this.times.keys()) {
      let below = 0;
      for (const [number, [, kind]] of this.series.entries()) {
        const value = this.values[number][index];
        if (!value) continue;
        const height = y(below) - y(below + value);
        marks.push(s("rect", { class: kind, x: LEFT + this.step * (index + 0.15), y: y(below + value), width, height, rx: Math.min(1.5, width / 3) }));
        below += value;
      }
    }
    return marks;
  }

  lines(y) {
    return this.series.flatMap(([, kind], number) => {
      const pieces = [[]];
      for (const [index, value] of this.values[number].entries()) {
        if (value === null) pieces.push([]);
        else pieces.at(-1).push([this.middle(index), y(value)]);
      }
      return pieces
        .filter((piece) => piece.length)
        .map((piece) =>
          piece.length === 1
            ? s("circle", { class: kind, cx: piece[0][0], cy: piece[0][1], r: 2.5 })
            : s("polyline", { class: kind, points: piece.map((point) => point.join(",")).join(" ") }),
        );
    });
  }

  middle(index) {
    return LEFT + this.step * (index + 0.5);
  }

  point(event) {
    if (!this.values) return;
    const index = Math.floor((event.clientX - this.frame.getBoundingClientRect().left - LEFT) / this.step);
    this.read(index >= 0 && index < this.times.length ? index : null);
  }

  /** Tell the values of the minute under the pointer, or what stands there otherwise. */
  read(index) {
    this.pointed = index;
    if (index === null) {
      this.reading.textContent = this.now ?? "";
      this.guide?.setAttribute("visibility", "hidden");
      return;
    }
    const values = this.series.map(([name], number) => {
      const value = this.values[number][index];
      return value === null ? "" : `${name.toLowerCase()} ${this.format(value)}`;
    });
    this.reading.textContent = [clock(this.times[index]), ...values.filter(Boolean)].join(" · ");
    for (const end of ["x1", "x2"]) this.guide.setAttribute(end, this.middle(index));
    this.guide.setAttribute("visibility", "visible");
  }
}
