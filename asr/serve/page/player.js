/** What plays a recording, and says where it is. */
import { writeWav } from "./wav.js";

export class Player {
  /** @param {(second: number, playing: boolean) => void} moved - Is told at every frame of the screen. */
  constructor(moved) {
    this.audio = new Audio();
    this.moved = moved;
    const follow = () => {
      moved(this.audio.currentTime, !this.audio.paused);
      if (!this.audio.paused) requestAnimationFrame(follow);
    };
    for (const event of ["play", "pause", "ended", "seeked"]) this.audio.addEventListener(event, follow);
  }

  load(samples, rate) {
    this.audio.pause();
    if (this.audio.src) URL.revokeObjectURL(this.audio.src);
    this.audio.src = URL.createObjectURL(writeWav(samples, rate));
    this.moved(0, false);
  }

  get second() {
    return this.audio.currentTime;
  }

  seek(second) {
    this.audio.currentTime = Math.max(0, second);
  }

  playFrom(second) {
    this.seek(second);
    return this.audio.play();
  }

  toggle() {
    return this.audio.paused ? this.audio.play() : this.audio.pause();
  }
}
