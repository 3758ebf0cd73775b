/** What is seen while the microphone is on: its level over the last seconds, how long it has been, the text so far. */
import { color, css } from "./colors.js";

const KEPT = 160; // pieces whose level is seen

export class LiveView {
  constructor({ picture, clock, text }) {
    Object.assign(this, { picture, clock, text });
    this.start();
  }

  /** Begin anew. */
  start() {
    [this.levels, this.seconds] = [[], 0];
    this.text.textContent = "";
    this.clock.textContent = "0:00";
  }

  /** Show how loud a piece of samples is. */
  hear(piece, rate) {
    this.seconds += piece.length / rate;
    this.levels = [...this.levels, piece.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)].slice(-KEPT);
    const part = String(Math.floor(this.seconds % 60)).padStart(2, "0");
    this.clock.textContent = `${Math.floor(this.seconds / 60)}:${part}`;
    const { clientWidth: width, clientHeight: height } = this.picture;
    Object.assign(this.picture, { width, height });
    const context = this.picture.getContext("2d");
    context.fillStyle = css(color("live"));
    this.levels.forEach((level, index) => {
      const tall = Math.max(2, height * Math.sqrt(level)); // quiet speech is seen, too
      context.fillRect((index * width) / KEPT, (height - tall) / 2, Math.max(1, width / KEPT - 1), tall);
    });
  }

  /** Show the text so far. */
  read(text) {
    this.text.textContent = text;
  }
}
