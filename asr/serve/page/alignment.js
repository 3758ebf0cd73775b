/** Error rates: a cheapest alignment of reference and hypothesis; of equals the one that rapidfuzz, so asr, takes. */

const CELLS_MOST = 4e7; // of the table of costs, two bytes each

/**
 * Return pairs [reference symbol, hypothesis symbol] in order; null on one side is an insertion or a deletion.
 * @param {string[]} reference
 * @param {string[]} hypothesis
 */
export function align(reference, hypothesis) {
  let [head, tail] = [0, 0];
  const least = Math.min(reference.length, hypothesis.length);
  while (head < least && reference[head] === hypothesis[head]) head++;
  while (tail < least - head && reference.at(-1 - tail) === hypothesis.at(-1 - tail)) tail++;
  const equal = (symbol) => [symbol, symbol];
  const between = (symbols) => symbols.slice(head, symbols.length - tail);
  const start = reference.slice(0, head).map(equal);
  const end = reference.slice(reference.length - tail).map(equal);
  return [...start, ...middle(between(reference), between(hypothesis)), ...end];
}

/** The same where the first and the last symbols differ: back through the table, deletions before insertions. */
function middle(reference, hypothesis) {
  const costs = table(reference, hypothesis);
  const wide = hypothesis.length + 1;
  const cost = (row, column) => costs[row * wide + column];
  const pairs = [];
  let [i, j] = [reference.length, hypothesis.length];
  while (i && j) {
    if (cost(i, j) === cost(i - 1, j) + 1) pairs.push([reference[--i], null]);
    else if (j > 1 && cost(i, j - 1) === cost(i - 1, j - 1) - 1) pairs.push([null, hypothesis[--j]]);
    else pairs.push([reference[--i], hypothesis[--j]]);
  }
  while (i) pairs.push([reference[--i], null]);
  while (j) pairs.push([null, hypothesis[--j]]);
  return pairs.reverse();
}

/** Levenshtein's table (R + 1, H + 1): the least number of errors between the beginnings of both. */
function table(reference, hypothesis) {
  const wide = hypothesis.length + 1;
  if ((reference.length + 1) * wide > CELLS_MOST) throw new Error("too long to be aligned here; use `asr score`");
  const costs = new Uint16Array((reference.length + 1) * wide);
  for (let j = 0; j < wide; j++) costs[j] = j;
  for (let i = 1; i <= reference.length; i++) {
    const [row, above] = [i * wide, (i - 1) * wide];
    costs[row] = i;
    for (let j = 1; j < wide; j++) {
      const replaced = costs[above + j - 1] + Number(reference[i - 1] !== hypothesis[j - 1]);
      costs[row + j] = Math.min(replaced, costs[above + j] + 1, costs[row + j - 1] + 1);
    }
  }
  return costs;
}

/** Return what kind of error a pair is: s, d or i; empty if correct. */
export const kindOf = ([reference, hypothesis]) => {
  if (reference === hypothesis) return "";
  if (reference === null) return "i";
  return hypothesis === null ? "d" : "s";
};

/** Return { s, d, i, errors, total } of an alignment; total counts the reference's symbols. */
export function countErrors(pairs) {
  const counts = { s: 0, d: 0, i: 0 };
  for (const kind of pairs.map(kindOf)) if (kind) counts[kind] += 1;
  const total = pairs.filter(([reference]) => reference !== null).length;
  return { ...counts, errors: counts.s + counts.d + counts.i, total };
}
