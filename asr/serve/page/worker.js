/** The recognizer in a thread of its own: the page stays alive while it computes. */
import { Recognizer } from "./recognizer.js";

let recognizer = null;

self.onmessage = ({ data: { system, id, samples, rate } }) => {
  if (system) {
    recognizer = new Recognizer(system);
    return;
  }
  try {
    const begin = performance.now();
    const analysis = recognizer.analyze(samples, rate);
    analysis.took = (performance.now() - begin) / 1000; // seconds
    self.postMessage({ id, analysis }, [analysis.posteriors.data.buffer, analysis.spectrogram.data.buffer]);
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
};
