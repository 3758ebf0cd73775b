/** The transcript in a format of the user's choice, to be copied or saved. */
import { FORMATS } from "./formats.js";

export class OutputsView {
  /** @param {(line: string) => void} say - Is told what was done. */
  constructor({ choice, preview, copy, save, say }) {
    Object.assign(this, { choice, preview, say });
    choice.append(...Object.keys(FORMATS).map((name, index) => this.#option(name, index === 0)));
    choice.addEventListener("change", () => this.#update());
    copy.addEventListener("click", () => this.#copy());
    save.addEventListener("click", () => this.#save());
  }

  /** Show a transcript, as `formats.js` takes it. */
  show(transcript) {
    this.transcript = transcript;
    this.#update();
  }

  get #format() {
    return this.choice.querySelector(":checked").value;
  }

  #update() {
    this.preview.textContent = FORMATS[this.#format](this.transcript);
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.preview.textContent);
    } catch {
      getSelection().selectAllChildren(this.preview); // where there is no clipboard: without https, say
      document.execCommand("copy");
    }
    this.say(`copied as ${this.#format}`);
  }

  #save() {
    const link = document.createElement("a");
    link.download = `${this.transcript.audio.replace(/\.[^.]*$/, "")}.${this.#format}`;
    link.href = URL.createObjectURL(new Blob([this.preview.textContent], { type: "text/plain" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    this.say(`saved as ${link.download}`);
  }

  #option(name, checked) {
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "format", value: name, checked });
    const label = document.createElement("label");
    label.append(input, name);
    return label;
  }
}
