/** The transcript as buttons, in the colors of their confidence; Tab reaches one, the arrow keys the others. */
import { sureness } from "./colors.js";

const BUTTONS = 5000; // buttons: a browser shows them all, but no longer at once

const percent = (share) => `${Math.round(100 * share)} %`;

export class TranscriptView {
  /**
   * @param {HTMLElement} box
   * @param {(second: number) => void} play - Is told where to play from.
   */
  constructor(box, play) {
    this.box = box;
    box.addEventListener("click", ({ target }) => {
      if (!target.dataset.start) return;
      this.#enter(target);
      play(Number(target.dataset.start));
    });
    box.addEventListener("keydown", (event) => {
      const { buttons } = this;
      const [here, last] = [buttons.indexOf(event.target), buttons.length - 1];
      const wanted = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: last }[event.key];
      if (wanted === undefined || here < 0) return;
      event.preventDefault();
      this.#enter(buttons[Math.min(Math.max(wanted, 0), last)], true);
    });
  }

  /** Show units; `kind` says whether they are characters, whose words are not to be broken. */
  show(units, kind) {
    this.units = units;
    this.buttons = units.slice(0, BUTTONS).map((unit, index) => this.#button(unit, index));
    this.box.classList.toggle("apart", kind !== "characters");
    this.box.replaceChildren(...(kind === "characters" ? this.#words() : this.buttons));
    if (!units.length) this.box.textContent = "nothing recognized";
    if (units.length > BUTTONS) this.box.append(` … and ${units.length - BUTTONS} more, which a saved transcript has`);
  }

  /** Mark the unit that is heard at a second. */
  mark(second, playing) {
    const index = playing ? this.units.findLastIndex(({ start }) => start <= second + 0.01) : -1;
    const now = this.buttons[index];
    if (now === this.now) return;
    this.now?.classList.remove("now");
    now?.classList.add("now");
    this.now = now;
  }

  /** Return the buttons of characters, those of a word in one element. */
  #words() {
    const words = [];
    let open = false;
    for (const button of this.buttons) {
      const space = !button.textContent.trim();
      if (space || !open) words.push(document.createElement("span"));
      words.at(-1).append(button);
      open = !space;
    }
    return words;
  }

  #button({ symbol, start, end, confidence }, index) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: symbol, tabIndex: index ? -1 : 0 });
    button.title = `${start.toFixed(2)}–${end.toFixed(2)} s, confidence ${percent(confidence)}`;
    button.ariaLabel = `${symbol.trim() || "space"}, ${start.toFixed(2)} seconds, confidence ${percent(confidence)}`;
    button.dataset.start = start;
    button.style.setProperty("--share", `${100 * sureness(confidence)}%`);
    button.classList.toggle("doubtful", confidence < 0.5);
    return button;
  }

  #enter(button, focus = false) {
    for (const other of this.box.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    button.tabIndex = 0;
    if (focus) button.focus();
  }
}
