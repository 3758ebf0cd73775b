/** WAV in and out, and TIMIT's SPHERE in: what a browser decodes at a rate of its own choice, or not at all. */

const readers = {
  "1/8": (view, at) => (view.getUint8(at) - 128) / 128,
  "1/16": (view, at) => view.getInt16(at, true) / 32768,
  "1/24": (view, at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 8388608,
  "1/32": (view, at) => view.getInt32(at, true) / 2147483648,
  "3/32": (view, at) => view.getFloat32(at, true),
  "3/64": (view, at) => view.getFloat64(at, true),
};
const EXTENSIBLE = 0xfffe; // the format is in the extension

const text = (view, at, length) =>
  String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, Math.min(length, view.byteLength - at)));

/**
 * Return { samples: Float32Array, rate } of a file's bytes, channels averaged; null if it is neither, or is compressed.
 * @param {ArrayBuffer} buffer
 */
export function readWav(buffer) {
  const view = new DataView(buffer);
  if (view.byteLength < 12) return null;
  if (text(view, 0, 7) === "NIST_1A") return readSphere(view);
  if (text(view, 0, 4) !== "RIFF" || text(view, 8, 4) !== "WAVE") return null;
  let format = null;
  for (let at = 12; at + 8 <= view.byteLength;) {
    const [name, size] = [text(view, at, 4), view.getUint32(at + 4, true)];
    if (name === "fmt ") format = readFormat(view, at + 8);
    if (name === "data") return format && mixed(view, at + 8, size || view.byteLength, format); // 0: never finished
    at += 8 + size + (size % 2);
  }
  return null;
}

function readFormat(view, at) {
  const kind = view.getUint16(at, true);
  const coding = kind === EXTENSIBLE ? view.getUint16(at + 24, true) : kind;
  const bits = view.getUint16(at + 14, true);
  return {
    channels: view.getUint16(at + 2, true),
    rate: view.getUint32(at + 4, true),
    bytes: bits / 8,
    read: readers[`${coding}/${bits}`],
  };
}

function mixed(view, start, size, { channels, rate, bytes, read }) {
  if (!read || !channels) return null;
  const count = Math.floor(Math.min(size, view.byteLength - start) / (bytes * channels));
  const samples = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += read(view, start + (i * channels + channel) * bytes);
    samples[i] = sum / channels;
  }
  return { samples, rate };
}

/** NIST's format: lines of text in the first 1,024 bytes, as they say themselves. */
function readSphere(view) {
  const head = text(view, 0, 1024);
  const field = (name) => (new RegExp(`^${name} -\\S+ (\\S+)`, "m").exec(head) || [])[1];
  const little = field("sample_byte_format") !== "10";
  if ((field("sample_coding") || "pcm") !== "pcm" || field("sample_n_bytes") !== "2") return null;
  const read = (data, at) => data.getInt16(at, little) / 32768;
  const channels = Number(field("channel_count") || 1);
  const start = Number(head.split("\n")[1]);
  return mixed(view, start, view.byteLength, { channels, rate: Number(field("sample_rate")), bytes: 2, read });
}

/** Return a WAV file of samples, 16 bits each, as a Blob. */
export function writeWav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const put = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  put(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  put(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  [1, 1].forEach((value, i) => view.setUint16(20 + 2 * i, value, true)); // PCM, one channel
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  [2, 16].forEach((value, i) => view.setUint16(32 + 2 * i, value, true));
  put(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => {
    view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true);
  });
  return new Blob([view.buffer], { type: "audio/wav" });
}
