/** The reference box: how wrong the transcript is, while what was said is being written. */
import { align, countErrors, kindOf } from "./alignment.js";
import { foldSymbols, splitSymbols } from "./symbols.js";

const NAMES = { s: "substituted", d: "deleted", i: "inserted" };

const element = (name, text, ...children) => {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
};

export class ReferenceView {
  /** @param {object} system - Its units, the name of its error rate, and how its phones are folded for scoring. */
  constructor({ box, rate, pairs, system }) {
    Object.assign(this, { box, rate, pairs, system });
    box.addEventListener("input", () => this.#update());
  }

  /** Compare with the symbols of another transcript, whose reference so far is `written`. */
  show(symbols, written) {
    this.symbols = symbols;
    this.box.value = written;
    this.#update();
  }

  #update() {
    this.rate.replaceChildren();
    this.pairs.replaceChildren();
    const { units, fold, metric } = this.system;
    const wanted = splitSymbols(this.box.value, units);
    if (!wanted.length) return;
    const known = (symbol) => (fold && symbol in fold) || units.symbols.includes(symbol, 1);
    const unknown = wanted.filter((symbol) => !known(symbol));
    let aligned;
    try {
      aligned = align(foldSymbols(wanted, fold), foldSymbols(this.symbols, fold));
    } catch (error) {
      this.rate.textContent = error.message;
      return;
    }
    const { s, d, i, errors, total } = countErrors(aligned);
    const percent = total ? `${((100 * errors) / total).toFixed(2)} %` : "no symbols";
    const detail = `[${errors} / ${total}: ${s} sub, ${d} del, ${i} ins]`;
    this.rate.append(element("strong", `${metric} ${percent}`), detail);
    if (unknown.length) this.rate.append(`; ‘${unknown[0]}’ is not a unit of this system`);
    this.pairs.replaceChildren(...aligned.map(pairElement));
  }
}

function pairElement(pair) {
  const [reference, hypothesis] = pair.map((symbol) => (symbol === " " ? "␣" : symbol ?? "·"));
  const kind = kindOf(pair);
  const rows = [element("span", reference), element("span", hypothesis), element("b", kind.toUpperCase())];
  const item = element("li", "", ...rows);
  item.className = `pair ${kind}`;
  if (kind) item.title = `${NAMES[kind]}: ${reference} → ${hypothesis}`;
  return item;
}
