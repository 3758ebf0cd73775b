/** The style sheet's colors, as the canvas needs them. */

const probe = document.createElement("span");
probe.hidden = true;

/** Return [red, green, blue] of a custom property in the present theme. */
export function color(name) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
}

export const css = (rgb, opacity = 1) => `rgb(${rgb.join(" ")} / ${opacity})`;

/** Return the color at a share of the way from one to another. */
export const blended = (from, to, share) => from.map((value, i) => Math.round(value + (to[i] - value) * share));

/** Return 256 colors from one to another, as `ImageData` stores a pixel. */
export function ramp(from, to, bend = 1) {
  const bytes = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; i++) bytes.set([...blended(from, to, (i / 255) ** bend), 255], 4 * i);
  return new Uint32Array(bytes.buffer);
}

/** Return how sure a confidence looks, 0 to 1: what is right half the time looks as unsure as it gets. */
export const sureness = (confidence) => Math.max(0, 2 * confidence - 1);
