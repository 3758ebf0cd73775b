/** The microphone: samples as they come, until it is stopped. */

/** Return a URL of a script that is part of the page: with the script in it, which files may load, too. */
export const scriptUrl = (id) => `data:text/javascript,${encodeURIComponent(document.getElementById(id).textContent)}`;

/** Return samples one after the other as one array. */
export function joinedSamples(pieces) {
  const all = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  pieces.reduce((start, piece) => (all.set(piece, start), start + piece.length), 0);
  return all;
}

export class Microphone {
  /** @param {(piece: Float32Array) => void} heard - Is given each piece. */
  constructor(heard) {
    this.heard = heard;
    this.pieces = [];
  }

  /** Ask for the microphone, and begin; throws an error that says why not. */
  async start() {
    if (!navigator.mediaDevices) throw new Error("microphone: browsers give it to https, localhost and files only");
    const raw = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: raw });
    } catch (error) {
      throw new Error(`microphone: ${error.message}; allow it in the browser, or open a file`, { cause: error });
    }
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule(scriptUrl("capture"));
    const mixed = { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" };
    const capture = new AudioWorkletNode(this.context, "capture", mixed);
    capture.port.onmessage = ({ data }) => {
      this.pieces.push(data);
      this.heard(data);
    };
    this.context.createMediaStreamSource(this.stream).connect(capture);
    await this.context.resume();
  }

  /** Return all that was heard so far: { samples, rate }. */
  soFar() {
    return { samples: joinedSamples(this.pieces), rate: this.context.sampleRate };
  }

  /** Release the microphone, and return all that was heard. */
  async stop() {
    for (const track of this.stream.getTracks()) track.stop();
    const all = this.soFar();
    await this.context.close();
    return all;
  }
}
