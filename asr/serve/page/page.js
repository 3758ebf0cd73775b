/** The page: recordings come in by file, drop or microphone, one of them is shown. */
import { decode } from "./decode.js";
import { Engine } from "./engine.js";
import { LiveView } from "./live.js";
import { Microphone } from "./microphone.js";
import { OutputsView } from "./outputs.js";
import { Panel } from "./panel.js";
import { Player } from "./player.js";
import { RecordingsView } from "./recordings.js";
import { ReferenceView } from "./reference.js";
import { joinSymbols, wordsOf } from "./symbols.js";
import { startTheme } from "./theme.js";
import { TranscriptView } from "./transcript.js";

const at = (id) => document.getElementById(id);
const system = JSON.parse(at("system").textContent);
const { kind } = system.units;
let current = null; // the recording that is shown: { name, analysis, transcript, reference }; others may have an error

const say = (line) => { at("status").textContent = line; };
const complain = (line) => { Object.assign(at("error"), { textContent: line, hidden: !line }); };
const clockOf = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;

const engine = new Engine(system);
const panel = new Panel(at("panel"), system.units.symbols);
const recordings = new RecordingsView(at("recordings"), select);
const outputs = new OutputsView({
  choice: at("formats"), preview: at("preview"), copy: at("copy"), save: at("save"), say,
});
const reference = new ReferenceView({ box: at("reference"), rate: at("rate"), pairs: at("pairs"), system });
const player = new Player((second, playing) => {
  if (!current?.analysis) return;
  panel.place(second, playing);
  transcriptView.mark(second, playing);
  at("play").textContent = playing ? "Pause" : "Play";
  at("time").textContent = `${clockOf(second)} / ${clockOf(current.analysis.seconds)}`;
  at("panel").ariaValueNow = second.toFixed(2);
  at("panel").ariaValueText = panel.read(second);
});
const transcriptView = new TranscriptView(at("transcript"), (second) => player.playFrom(second));

/** Recognize what `open` returns, { samples, rate }, and show it, or only list it. */
async function add(name, open, shown = true) {
  const recording = { name, reference: "" };
  recordings.add(recording);
  recordings.update(current);
  at("empty").hidden = true;
  document.body.classList.add("filled");
  say(`${name}: recognizing`);
  try {
    const { samples, rate } = await open();
    recording.analysis = await engine.analyze(samples, rate);
    recording.transcript = transcriptOf(name, recording.analysis);
    say(`${name}: ${recording.transcript.text || "nothing recognized"}`);
    if (shown) select(recording);
    else recordings.update(current);
  } catch (error) {
    recording.error = `${name}: ${error.message}`;
    complain(recording.error);
    recordings.update(current);
  }
}

function transcriptOf(audio, { seconds, units, score }) {
  const text = joinSymbols(units.map(({ symbol }) => symbol), kind);
  return { audio, seconds, text, units, words: wordsOf(units, kind), score, silence: system.silence };
}

/** Show a recording, or why it could not be recognized. */
function select(recording) {
  if (current) current.reference = at("reference").value;
  complain(recording.error || "");
  if (!recording.analysis) return;
  current = recording;
  recordings.update(current);
  const { analysis, transcript } = recording;
  at("result").hidden = false;
  at("title").textContent = recording.name;
  at("facts").textContent = `${analysis.seconds.toFixed(2)} s, recognized in ${analysis.took.toFixed(2)} s`;
  at("panel").ariaValueMin = "0";
  at("panel").ariaValueMax = analysis.seconds.toFixed(2);
  transcriptView.show(analysis.units, kind);
  panel.show(analysis);
  player.load(analysis.samples, analysis.rate);
  reference.show(analysis.units.map(({ symbol }) => symbol), recording.reference);
  outputs.show(transcript);
}

/** Open files, and show the first of them. */
const addFiles = (files) => [...files].forEach((file, index) => {
  add(file.name, () => decode(file, system.features.rate), index === 0);
});

at("files").addEventListener("change", ({ target }) => {
  addFiles(target.files);
  target.value = ""; // so that the same file can be opened once more
});
for (const event of ["dragover", "dragleave", "drop"]) {
  addEventListener(event, (dragged) => {
    dragged.preventDefault();
    document.documentElement.classList.toggle("dropping", event === "dragover");
    if (event === "drop") addFiles(dragged.dataTransfer.files);
  });
}

const live = new LiveView({ picture: at("level"), clock: at("clock"), text: at("partial") });
let microphone = null;
let spoken = 0;

/** While somebody speaks: show the level, and recognize all that was said so far whenever the engine is idle. */
async function heard(piece) {
  live.hear(piece, microphone.context.sampleRate);
  if (!engine.idle) return;
  const { samples, rate } = microphone.soFar();
  try {
    const { units } = await engine.analyze(samples, rate);
    live.read(joinSymbols(units.map(({ symbol }) => symbol), kind));
  } catch { /* not a window long yet */ }
}

at("record").addEventListener("click", async () => {
  complain("");
  const stopping = microphone;
  try {
    if (stopping) {
      microphone = null;
      const all = await stopping.stop();
      spoken += 1;
      add(`microphone ${spoken}`, () => all);
    } else {
      const starting = new Microphone((piece) => { if (microphone) heard(piece); });
      await starting.start();
      microphone = starting;
      live.start();
    }
  } catch (error) {
    complain(error.message);
  }
  at("record").classList.toggle("recording", Boolean(microphone));
  at("record-label").textContent = microphone ? "Stop" : "Record";
  at("live").hidden = !microphone;
  say(microphone ? "recording" : "");
});

at("play").addEventListener("click", () => player.toggle());
at("wider").addEventListener("click", () => panel.zoom(1.5));
at("narrower").addEventListener("click", () => panel.zoom(1 / 1.5));
at("panel").addEventListener("pointermove", ({ clientX }) => {
  at("readout").textContent = panel.read(panel.second(clientX));
});
at("panel").addEventListener("click", ({ clientX }) => player.playFrom(panel.second(clientX)));
at("panel").addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 1 : 0.1;
  const { seconds } = current.analysis;
  const place = { ArrowLeft: player.second - step, ArrowRight: player.second + step, Home: 0, End: seconds }[event.key];
  const zoom = { "+": 1.5, "-": 1 / 1.5 }[event.key];
  if (place !== undefined) player.seek(Math.min(place, seconds));
  else if (zoom) panel.zoom(zoom);
  else if (event.key === " ") player.toggle();
  else return;
  event.preventDefault();
});

at("name").textContent = system.name;
at("about").textContent = system.about;
at("note").textContent = system.note;
startTheme(at("theme"), () => panel.later());
document.documentElement.dataset.ready = "true"; // for tests
