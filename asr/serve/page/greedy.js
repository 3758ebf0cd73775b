/** Best path decoding: the most probable unit of every frame, collapsed (Graves et al., ICML 2006, section 3.2). */

const BLANK = 0;

/**
 * Return [{ id, first, end, confidence }]: the units with their half-open spans of frames. A unit's confidence is its
 * probability in the frame where it peaks.
 * @param {Float32Array} logProbs - (T, V), natural log.
 */
export function greedy(logProbs, frames, units) {
  const found = [];
  let before = BLANK;
  for (let t = 0; t < frames; t++) {
    const row = logProbs.subarray(t * units, (t + 1) * units);
    let id = 0;
    for (let v = 1; v < units; v++) if (row[v] > row[id]) id = v;
    const confidence = Math.exp(row[id]);
    if (id !== BLANK && id === before) {
      const last = found[found.length - 1];
      last.end = t + 1;
      last.confidence = Math.max(last.confidence, confidence);
    } else if (id !== BLANK) {
      found.push({ id, first: t, end: t + 1, confidence });
    }
    before = id;
  }
  return found;
}
