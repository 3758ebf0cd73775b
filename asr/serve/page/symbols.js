/** Text ↔ units, as `asr.units` has it. */

/** Return units as people read them. */
export const joinSymbols = (symbols, kind) => symbols.join(kind === "characters" ? "" : " ");

/**
 * Return the symbols of a transcript that somebody wrote, those that are not units among them.
 * @param {string} written
 * @param {{kind: string, symbols: string[], drop: string}} units
 */
export function splitSymbols(written, { kind, symbols, drop }) {
  const known = new Set(symbols.slice(1)); // without blank
  const text = written.normalize("NFC").trim();
  const words = text.split(/\s+/u).filter(Boolean);
  if (kind === "characters") return characters(text, known, drop);
  if (kind !== "words") return words;
  const edges = /^[\p{P}\p{S}\p{C}]+|[\p{P}\p{S}\p{C}]+$/gu;
  return words.map((word) => (known.has(word) ? word : word.replace(edges, "").toLowerCase())).filter(Boolean);
}

/** Characters, in lower case where only that is a unit; a hyphen or a slash that is not modeled separates words. */
function characters(text, known, drop) {
  const spaced = known.has(" ");
  const found = [...text].map((character) => {
    if (drop.includes(character)) return spaced && /[\p{Pd}/]/u.test(character) ? " " : "";
    return known.has(character) ? character : character.toLowerCase();
  });
  const whole = found.join("");
  return [...(spaced ? whole.trim().replace(/\s+/gu, " ") : whole)];
}

/** Return symbols as they are scored: phones are folded to Lee and Hon's 39, those that are no phones stay. */
export const foldSymbols = (symbols, fold) => (fold ? symbols.map((one) => fold[one] ?? one).filter(Boolean) : symbols);

/** Return the words of a transcript's units, with their times: those that characters spell between spaces. */
export function wordsOf(units, kind) {
  if (kind === "words") return units;
  const words = [];
  let open = false;
  for (const { symbol, start, end } of kind === "characters" ? units : []) {
    const space = !symbol.trim();
    if (!space && open) Object.assign(words.at(-1), { symbol: words.at(-1).symbol + symbol, end });
    else if (!space) words.push({ symbol, start, end });
    open = !space;
  }
  return words;
}
