/** Captions, as `asr.formats.subtitles` makes them: what is said, cut at pauses into pieces that can be read. */

const [LINE, LINES] = [42, 2]; // characters of a line; lines of a caption
const [LONGEST, SHORTEST] = [7, 1]; // seconds that a caption is seen; the shorter only where the next one leaves it
const LEAST_SEEN = 0.002; // seconds that differ when they are rounded to milliseconds
const PAUSE = 0.5; // seconds without a symbol that end a caption

const lengthOf = (text) => [...text].length; // in characters, of which JavaScript's strings have pairs of halves

/**
 * Return [{ lines, start, end }] of words, or of units where there are no words; they do not overlap.
 * @param {string[]} silence - The symbols that are none.
 */
export function captionsOf({ words, units, seconds, silence }) {
  const said = (segments) => segments.filter(({ symbol }) => symbol.trim());
  const bits = words.length ? bitsOf(said(words), said(units)) : bitsOf(said(units), []);
  const groups = grouped(bits, silence);
  let shown = 0;
  return groups.map((group, index) => {
    const begin = group[0].start;
    const last = Math.max(...group.map(({ end }) => end));
    const free = groups[index + 1]?.[0].start ?? Math.max(seconds, last);
    const end = Math.min(Math.max(last, begin + SHORTEST), begin + LONGEST, free);
    const start = Math.max(begin, shown);
    shown = Math.max(end, start + LEAST_SEEN);
    return { lines: wrapped(joinedBits(group)), start, end: shown };
  });
}

/** Words, and those that are too long by their characters: { text, start, end, apart }, `apart` with a space before. */
function bitsOf(words, units) {
  const left = units.values();
  return words.flatMap((word) => {
    const short = lengthOf(word.symbol) <= LINE && word.end - word.start <= LONGEST;
    const own = short ? [word] : charactersOf(word, left) || piecesOf(word);
    return own.map(({ symbol, start, end }, index) => ({ text: symbol, start, end, apart: index === 0 }));
  });
}

/** Return the characters that spell a word; null where units are no characters. */
function charactersOf({ symbol, start }, units) {
  const own = [];
  let length = 0;
  for (let next = units.next(); !next.done; next = units.next()) {
    const unit = next.value;
    if (unit.start < start) continue;
    own.push(unit);
    length += lengthOf(unit.symbol);
    if (length >= lengthOf(symbol)) break;
  }
  return own.map((unit) => unit.symbol).join("") === symbol ? own : null;
}

/** Return a word in pieces that fit into a line, each with its share of the time. */
function piecesOf({ symbol, start, end }) {
  const characters = [...symbol];
  const count = Math.ceil(characters.length / LINE);
  const share = (end - start) / count;
  return Array.from({ length: count }, (_, n) => {
    const piece = characters.slice(n * LINE, (n + 1) * LINE).join("");
    return { symbol: piece, start: start + n * share, end: start + (n + 1) * share };
  });
}

const joinedBits = (bits) => bits.map(({ text, apart }) => (apart ? ` ${text}` : text)).join("").trim();

/** Gather what is seen together. */
function grouped(bits, silence) {
  const groups = [];
  let [group, text, spoken] = [[], "", 0];
  for (const bit of bits) {
    const silent = silence.includes(bit.text);
    const longer = `${text}${bit.apart ? " " : ""}${bit.text}`;
    const pause = !silent && bit.start - spoken >= PAUSE;
    const full = bit.end - (group[0]?.start ?? 0) > LONGEST || wrapped(longer).length > LINES;
    const next = group.length > 0 && (pause || full);
    if (next || !group.length) groups.push((group = []));
    group.push(bit);
    text = next ? bit.text : longer;
    if (!silent) spoken = bit.end;
  }
  return groups;
}

/** Return the lines of a text, broken at spaces, and within a word only if it is longer than a line. */
function wrapped(text) {
  if (lengthOf(text) <= LINE) return [text];
  const chunks = text.split(/([\t\n\v\f\r ]+)/).filter(Boolean).map((chunk) => [...chunk]);
  const lines = [];
  while (chunks.length) {
    if (lines.length && !chunks[0].join("").trim()) chunks.shift();
    const line = [];
    while (chunks.length && line.length + chunks[0].length <= LINE) line.push(...chunks.shift());
    if (chunks.length && chunks[0].length > LINE) line.push(...chunks[0].splice(0, LINE - line.length));
    if (line.length) lines.push(line.join("").trimEnd());
  }
  return lines;
}
