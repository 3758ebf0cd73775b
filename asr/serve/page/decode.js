/** Files → samples. */
import { readWav } from "./wav.js";

const MINUTES = 30; // at most: a minute takes 20 MB while it is recognized

/**
 * Return { samples, rate } of a file; WAV at its own rate, other formats as the browser decodes them, at `wanted` Hz.
 * @param {File} file
 */
export async function decode(file, wanted) {
  const bytes = await file.arrayBuffer();
  if (!bytes.byteLength) throw new Error("is empty; copy it again");
  const sound = readWav(bytes) || (await decodedByBrowser(bytes, wanted));
  if (sound.samples.length > MINUTES * 60 * sound.rate) {
    throw new Error(`is longer than ${MINUTES} minutes; cut it, or use asr transcribe`);
  }
  return sound;
}

async function decodedByBrowser(bytes, rate) {
  let buffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch (error) {
    throw new Error("is not audio that this browser reads; convert it to WAV", { cause: error });
  }
  const samples = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    buffer.getChannelData(channel).forEach((sample, i) => { samples[i] += sample / buffer.numberOfChannels; });
  }
  return { samples, rate };
}
