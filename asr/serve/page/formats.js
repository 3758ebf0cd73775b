/**
 * Formats, as `asr.formats` has them, of a transcript { audio, seconds, text, units, words, score, silence }: the last
 * are the symbols that are none.
 */
import { captionsOf } from "./subtitles.js";

const fixed = (value) => Number(value.toFixed(4));

/** Round to the nearest integer, and halves to the even one, as Python does. */
const rounded = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

function clock(seconds) {
  const all = rounded(1000 * seconds);
  const part = (unit, size, digits) => String(Math.floor(all / unit) % size).padStart(digits, "0");
  return `${part(3.6e6, 1e6, 2)}:${part(6e4, 60, 2)}:${part(1e3, 60, 2)},${part(1, 1000, 3)}`;
}

/** Fill the gaps between segments with empty ones: Praat wants a tier without holes. */
function withoutGaps(segments, seconds) {
  const filled = [];
  let now = 0;
  for (const { symbol, start, end } of segments) {
    const from = Math.max(start, now);
    if (from > now) filled.push({ symbol: "", start: now, end: from });
    now = Math.max(end, from);
    filled.push({ symbol, start: from, end: now });
  }
  if (now < seconds) filled.push({ symbol: "", start: now, end: seconds });
  return filled;
}

function tier(name, segments, seconds, number) {
  const intervals = withoutGaps(segments, seconds).flatMap(({ symbol, start, end }, index) => [
    `        intervals [${index + 1}]:`,
    `            xmin = ${start.toFixed(4)}`,
    `            xmax = ${end.toFixed(4)}`,
    `            text = "${symbol.replaceAll('"', '""')}"`,
  ]);
  const bounds = ["        xmin = 0", `        xmax = ${seconds.toFixed(4)}`];
  const head = [`    item [${number}]:`, '        class = "IntervalTier"', `        name = "${name}"`, ...bounds];
  return [...head, `        intervals: size = ${intervals.length / 4}`, ...intervals];
}

const txt = ({ text }) => `${text}\n`;

function json({ audio, seconds, text, score, units, words }) {
  const rows = (name, segments) => segments.map(({ symbol, start, end, confidence }) => {
    const row = { [name]: symbol, start: fixed(start), end: fixed(end) };
    return confidence === undefined ? row : { ...row, confidence: fixed(confidence) };
  });
  const row = { audio, seconds: fixed(seconds), text, score: fixed(score), units: rows("unit", units) };
  const bare = words.map(({ symbol, start, end }) => ({ symbol, start, end }));
  return `${JSON.stringify(words.length ? { ...row, words: rows("word", bare) } : row, null, 2)}\n`;
}

const srt = (transcript) => captionsOf(transcript)
  .map(({ lines, start, end }, index) => `${index + 1}\n${clock(start)} --> ${clock(end)}\n${lines.join("\n")}\n`)
  .join("\n");

function textGrid({ seconds, units, words }) {
  const tiers = [...(words.length ? [["words", words]] : []), ["units", units]];
  const kind = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""];
  const head = [...kind, "xmin = 0", `xmax = ${seconds.toFixed(4)}`];
  const items = tiers.flatMap(([name, segments], index) => tier(name, segments, seconds, index + 1));
  return `${[...head, "tiers? <exists>", `size = ${tiers.length}`, "item []:", ...items].join("\n")}\n`;
}

export const FORMATS = { txt, json, srt, TextGrid: textGrid };
