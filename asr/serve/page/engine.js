/** The recognizer's thread, as the page sees it: analyses in the order in which they are asked for. */
import { scriptUrl } from "./microphone.js";

export class Engine {
  /** @param {object} system - What `asr.serve.page.described` returns. */
  constructor(system) {
    this.waiting = new Map();
    this.count = 0;
    this.worker = new Worker(scriptUrl("worker"));
    this.worker.onmessage = ({ data: { id, analysis, error } }) => {
      const [resolve, reject] = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(analysis);
    };
    this.worker.onerror = ({ message }) => { // a fault of ours, or a browser that starts no worker
      const fault = new Error(`the recognizer failed: ${message || "it did not start"}`);
      for (const [, reject] of this.waiting.values()) reject(fault);
      this.waiting.clear();
    };
    this.worker.postMessage({ system });
  }

  /** Return what `Recognizer.analyze` does, in a promise. */
  analyze(samples, rate) {
    const id = this.count++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, [resolve, reject]);
      this.worker.postMessage({ id, samples, rate });
    });
  }

  /** Whether it has nothing to do. */
  get idle() {
    return this.waiting.size === 0;
  }
}
