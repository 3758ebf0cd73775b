/** The picture of a recording: waveform, spectrogram, symbols and posteriorgram over one axis of time. */
import { blended, color, css, ramp, sureness } from "./colors.js";

const GUTTER = 46; // pixels left of the time axis, for labels
const MARGIN = 10; // right of it
const GAP = 8; // between two tracks
const [WAVE, SPECTRUM, SYMBOLS, AXIS] = [64, 150, 46, 24]; // heights
const ROWS = 48; // of the posteriorgram, at most: those of the most probable units
const PRESENT = 26; // a unit has a row if it was ever more probable than this, of 255
const LEAST = 130; // pixels a second, so that symbols can be read
const MOST = 1600;

const nameOf = (symbols, id) => (id ? symbols[id].replace(" ", "␣") : "blank");

/** Return the units that get a row, blank last. */
function rowsOf({ posteriors }, symbols) {
  const peaks = new Uint8Array(symbols.length);
  posteriors.data.forEach((value, i) => { peaks[i % symbols.length] = Math.max(peaks[i % symbols.length], value); });
  const present = [...peaks.keys()].filter((id) => id && peaks[id] > PRESENT);
  const kept = present.sort((a, b) => peaks[b] - peaks[a]).slice(0, ROWS).sort((a, b) => a - b);
  return [...kept, 0];
}

export class Panel {
  /**
   * @param {HTMLElement} scroller - With `#extent`, `#picture` and `#playhead` in it.
   * @param {string[]} symbols - Of the system, blank first.
   */
  constructor(scroller, symbols) {
    [this.scroller, this.symbols] = [scroller, symbols];
    const part = (id) => scroller.querySelector(id);
    [this.extent, this.canvas, this.playhead] = [part("#extent"), part("#picture"), part("#playhead")];
    this.image = document.createElement("canvas");
    this.analysis = null;
    scroller.addEventListener("scroll", () => this.later());
    new ResizeObserver(() => { if (this.analysis) this.zoom(); }).observe(scroller);
  }

  /** Show an analysis, all of it if its symbols can be read then. */
  show(analysis) {
    this.analysis = analysis;
    this.rows = rowsOf(analysis, this.symbols);
    this.rowHeight = Math.max(10, Math.min(16, 260 / this.rows.length));
    [this.scale, this.zoomed] = [0, false];
    this.zoom();
    this.scroller.scrollLeft = 0;
  }

  /** Change how wide a second is, and keep in place what is in the middle; without a factor, fit what is there. */
  zoom(factor = 1) {
    this.zoomed ||= factor !== 1;
    const room = this.scroller.clientWidth;
    const middle = this.scale ? (this.scroller.scrollLeft + room / 2 - GUTTER) / this.scale : 0;
    const whole = Math.min((room - GUTTER - MARGIN) / this.analysis.seconds, MOST);
    const before = this.zoomed ? this.scale : Math.max(whole, LEAST);
    this.scale = Math.min(Math.max((before || whole) * factor, whole), MOST);
    this.extent.style.width = `${Math.max(room, GUTTER + MARGIN + this.analysis.seconds * this.scale)}px`;
    this.scroller.scrollLeft = middle * this.scale - room / 2 + GUTTER;
    this.later();
  }

  /** Return the second at a point of the window. */
  second(x) {
    const left = this.extent.getBoundingClientRect().left;
    return Math.min(Math.max((x - left - GUTTER) / this.scale, 0), this.analysis.seconds);
  }

  /** Return what is most probable at a second, as text. */
  read(second) {
    const { data, wide, frames, first, shift } = this.analysis.posteriors;
    const t = Math.min(Math.max(Math.floor((second - first) / shift), 0), frames - 1);
    const row = [...data.subarray(t * wide, (t + 1) * wide)];
    const best = [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 3).filter((id) => row[id] > 2);
    const names = best.map((id) => `${nameOf(this.symbols, id)} ${Math.round(row[id] / 2.55)} %`);
    return `${second.toFixed(2)} s: ${names.join(", ")}`;
  }

  /** Put the playhead somewhere, and scroll to it if `follow`. */
  place(second, follow) {
    const x = GUTTER + second * this.scale;
    this.playhead.style.left = `${x}px`;
    const seen = x - this.scroller.scrollLeft;
    if (follow && (seen > this.scroller.clientWidth - 20 || seen < GUTTER)) this.scroller.scrollLeft = x - GUTTER - 40;
  }

  /** Draw before the next frame of the screen, once. */
  later() {
    if (this.due || !this.analysis) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      this.draw();
    });
  }

  draw() {
    const [width, height] = [this.scroller.clientWidth, this.#height()];
    const density = devicePixelRatio;
    Object.assign(this.canvas, { width: width * density, height: height * density });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    this.context = this.canvas.getContext("2d");
    this.context.scale(density, density);
    const names = ["ink", "muted", "line", "surface", "accent", "sure", "unsure"];
    this.paint = Object.fromEntries(names.map((name) => [name, color(name)]));
    this.from = this.scroller.scrollLeft / this.scale;
    this.to = Math.min(this.analysis.seconds, this.from + (width - GUTTER) / this.scale);
    let top = 0;
    for (const [track, tall] of this.#tracks()) {
      this.#clipped(top, tall, width, () => track.call(this, top, tall, width));
      top += tall + GAP;
    }
  }

  #tracks() {
    const posteriors = this.rows.length * this.rowHeight;
    return [
      [this.#wave, WAVE],
      [this.#spectrogram, SPECTRUM],
      [this.#units, SYMBOLS],
      [this.#posteriorgram, posteriors],
      [this.#axis, AXIS],
    ];
  }

  #height() {
    return this.#tracks().reduce((sum, [, tall]) => sum + tall + GAP, -GAP);
  }

  #clipped(top, tall, width, draw) {
    this.context.save();
    this.context.beginPath();
    this.context.rect(0, top, width, tall);
    this.context.clip();
    draw();
    this.context.restore();
  }

  #x(second) {
    return GUTTER + (second - this.from) * this.scale;
  }

  /** Choose how text is written from here on. */
  #pen(size, align, name) {
    const font = `${size}px system-ui, sans-serif`;
    const fillStyle = css(this.paint[name]);
    Object.assign(this.context, { font, fillStyle, textAlign: align, textBaseline: "middle" });
  }

  /** Write in the gutter, after what has scrolled beneath it was covered. */
  #label(text, y, size = 11, name = "muted") {
    this.#pen(size, "right", name);
    this.context.fillText(text, GUTTER - 6, y);
  }

  #cover(top, tall) {
    this.context.fillStyle = css(this.paint.surface);
    this.context.fillRect(0, top, GUTTER, tall);
  }

  #wave(top, tall) {
    const { samples, rate } = this.analysis;
    const most = this.analysis.peak ||= samples.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-3);
    this.context.fillStyle = css(this.paint.accent);
    const [begin, end] = [Math.max(GUTTER, Math.floor(this.#x(0))), this.#x(this.to)];
    for (let x = begin; x < end; x++) {
      const at = (place) => Math.floor((this.from + (place - GUTTER) / this.scale) * rate);
      const [first, last] = [at(x), Math.min(Math.max(at(x + 1), at(x) + 1), samples.length)];
      let [low, high] = [1, -1];
      for (let i = first; i < last; i++) [low, high] = [Math.min(low, samples[i]), Math.max(high, samples[i])];
      const y = (value) => top + (tall / 2) * (1 - value / most);
      if (last > first) this.context.fillRect(x, y(high), 1, Math.max(1, y(low) - y(high)));
    }
  }

  /**
   * Draw a table of bytes, a column a frame; where a pixel has many frames, the largest of them.
   * @param {object} table - See `Recognizer.analyze`.
   * @param {(row: number) => number} place - Where in a frame's bytes a row from the top is.
   */
  #table({ data, wide, frames, first, shift }, rows, place, colors, top, tall) {
    const frame = (second) => Math.min(Math.max(Math.floor((second - first) / shift), 0), frames);
    const [begin, end] = [frame(this.from), Math.min(frame(this.to) + 1, frames)];
    const step = Math.max(1, Math.floor((end - begin) / (2 * this.scroller.clientWidth)));
    const columns = Math.ceil((end - begin) / step);
    if (columns < 1) return;
    Object.assign(this.image, { width: columns, height: rows });
    const context = this.image.getContext("2d");
    const pixels = context.createImageData(columns, rows);
    const words = new Uint32Array(pixels.data.buffer);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const from = begin + column * step;
        let most = 0;
        for (let t = from; t < Math.min(from + step, end); t++) most = Math.max(most, data[t * wide + place(row)]);
        words[row * columns + column] = colors[most];
      }
    }
    context.putImageData(pixels, 0, 0);
    const left = this.#x(first + begin * shift);
    this.context.drawImage(this.image, left, top, columns * step * shift * this.scale, tall);
  }

  #spectrogram(top, tall) {
    const { wide: bands, top: hertz } = this.analysis.spectrogram;
    const colors = ramp(this.paint.surface, this.paint.ink, 1.6);
    this.#table(this.analysis.spectrogram, bands, (row) => bands - 1 - row, colors, top, tall);
    this.#cover(top, tall);
    for (let kilo = 0; kilo <= hertz / 1000; kilo += 2) {
      const y = top + tall * (1 - (1000 * kilo) / hertz);
      this.#label(`${kilo}${kilo ? " kHz" : ""}`, Math.min(Math.max(y, top + 7), top + tall - 7));
    }
  }

  /** A bar where each unit was recognized, and its symbol above, in the color of its confidence, in one of two rows. */
  #units(top, tall) {
    const { units } = this.analysis;
    this.#pen(13, "center", "ink");
    const free = [-Infinity, -Infinity]; // where each row's last symbol ends
    for (const { symbol, start, end, confidence } of units) {
      if (end < this.from - 1 || start > this.to + 1) continue;
      const text = symbol.trim() ? symbol : "␣";
      const [x, half] = [this.#x((start + end) / 2), this.context.measureText(text).width / 2 + 3];
      const row = free.findIndex((taken) => x - half >= taken);
      this.context.fillStyle = css(this.paint.accent, 0.25 + 0.75 * confidence);
      this.context.fillRect(this.#x(start), top + tall - 6, Math.max(2, (end - start) * this.scale), 5);
      if (row < 0) continue;
      free[row] = x + half;
      this.context.fillStyle = css(blended(this.paint.unsure, this.paint.sure, sureness(confidence)));
      this.context.fillRect(x - half, top + 18 * row, 2 * half, 17);
      this.context.fillStyle = css(this.paint.ink);
      this.context.fillText(text, x, top + 18 * row + 9);
    }
    this.#cover(top, tall);
  }

  #posteriorgram(top, tall, width) {
    const rows = this.rows.length;
    this.context.imageSmoothingEnabled = false;
    const colors = ramp(this.paint.surface, this.paint.accent, 0.6);
    this.#table(this.analysis.posteriors, rows, (row) => this.rows[row], colors, top, tall);
    this.context.strokeStyle = css(this.paint.line, 0.6);
    this.context.beginPath();
    for (let row = 0; row <= rows; row++) {
      this.context.moveTo(GUTTER, Math.round(top + row * this.rowHeight) + 0.5);
      this.context.lineTo(width, Math.round(top + row * this.rowHeight) + 0.5);
    }
    this.context.stroke();
    this.#cover(top, tall);
    this.rows.forEach((id, row) => {
      const y = top + (row + 0.5) * this.rowHeight;
      this.#label(nameOf(this.symbols, id), y, Math.min(11, this.rowHeight), id ? "ink" : "muted");
    });
  }

  #axis(top, tall) {
    const steps = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600];
    const step = steps.find((one) => one * this.scale >= 64) || 1200;
    this.#pen(11, "center", "muted");
    for (let tick = Math.ceil(this.from / step); tick * step <= this.to; tick++) {
      const x = this.#x(tick * step);
      if (x >= GUTTER - 1) this.context.fillRect(x - 0.5, top, 1, 5);
      const text = `${Number((tick * step).toFixed(2))} s`;
      if (x >= GUTTER - 1) this.context.fillText(text, x, top + 14);
    }
  }
}
