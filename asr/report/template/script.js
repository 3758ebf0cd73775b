"use strict";
const root = document.documentElement;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// The theme: the system's until the button is pressed; remembered if the browser gives local files storage.
const button = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
const show = () => button.setAttribute("aria-pressed", String(isDark()));
try { root.dataset.theme = localStorage.getItem("asr-theme") || ""; } catch { /* no storage */ }
button.hidden = false;
button.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try { localStorage.setItem("asr-theme", root.dataset.theme); } catch { /* no storage */ }
  show();
});
system.addEventListener("change", show);
show();

// The confusion matrix: Tab reaches one cell, the arrow keys move over the non-empty ones.
const table = document.getElementById("confusions");
const readout = document.getElementById("readout");
const isCell = (target) => target.matches("td.c");
const read = (cell) => { readout.textContent = cell.title; };
const enter = (cell) => {
  cell.tabIndex = 0;
  for (const other of table.querySelectorAll("td[tabindex]")) if (other !== cell) other.removeAttribute("tabindex");
};
if (table.querySelector("td.c")) enter(table.querySelector("td.c"));
table.addEventListener("pointerover", ({ target }) => { if (isCell(target)) read(target); });
table.addEventListener("click", ({ target }) => { if (isCell(target)) { enter(target); target.focus(); } });
table.addEventListener("focusin", ({ target }) => { if (isCell(target)) { enter(target); read(target); } });
table.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!step || !isCell(event.target)) return;
  event.preventDefault();
  let [row, column] = [event.target.parentNode.rowIndex + step[0], event.target.cellIndex + step[1]];
  for (let cell; (cell = table.rows[row] && table.rows[row].cells[column]); row += step[0], column += step[1]) {
    if (isCell(cell)) { enter(cell); cell.focus(); return; }
  }
});

// Players: a line follows the audio, and a click into the picture plays from there.
for (const audio of document.querySelectorAll("audio")) {
  const picture = audio.parentNode.querySelector(".picture");
  const line = picture.querySelector(".playhead");
  const scroller = picture.parentNode;
  const [left, scale] = [Number(picture.dataset.left), Number(picture.dataset.scale)];
  const place = () => {
    const x = left + scale * audio.currentTime;
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    picture.classList.add("playing");
    if (audio.paused) return;
    const seen = x - scroller.scrollLeft;
    if (seen > scroller.clientWidth - 20 || seen < 0) scroller.scrollLeft = x - 60;
    if (!calm.matches) requestAnimationFrame(place);
  };
  audio.addEventListener("play", place);
  audio.addEventListener("seeked", place);
  audio.addEventListener("timeupdate", () => { if (calm.matches) place(); });
  picture.addEventListener("click", (event) => {
    audio.currentTime = Math.max(0, (event.clientX - picture.getBoundingClientRect().left - left) / scale);
    audio.play().catch(() => { /* if the browser blocks playback, the line still shows the position */ });
  });
}

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
