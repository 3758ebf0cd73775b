/** The recordings of this visit, a button each; a button stays the same, so that it keeps the focus. */
export class RecordingsView {
  /**
   * @param {HTMLElement} box
   * @param {(recording: object) => void} choose - Is told which one is to be shown.
   */
  constructor(box, choose) {
    Object.assign(this, { box, choose, buttons: new Map() });
  }

  add(recording) {
    const [item, button, name, state] = ["li", "button", "span", "small"].map((tag) => document.createElement(tag));
    name.textContent = recording.name;
    Object.assign(button, { type: "button", onclick: () => this.choose(recording) });
    button.append(name, state);
    item.append(button);
    this.box.append(item);
    this.buttons.set(recording, button);
  }

  /** Show what became of each, and which one is shown. */
  update(current) {
    for (const [recording, button] of this.buttons) {
      const { analysis, error } = recording;
      const done = analysis ? `${analysis.seconds.toFixed(1)} s` : "…";
      button.querySelector("small").textContent = error ? "failed" : done;
      button.ariaCurrent = String(recording === current);
    }
  }
}
