/** The theme: the system's until the button is pressed; remembered where the browser stores something for a page. */

/** @param {() => void} changed - Is told that colors changed. */
export function startTheme(button, changed) {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const show = () => {
    button.ariaPressed = String(isDark());
    changed();
  };
  try {
    root.dataset.theme = localStorage.getItem("asr-theme") || "";
  } catch { /* no storage */ }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("asr-theme", root.dataset.theme);
    } catch { /* no storage */ }
    show();
  });
  dark.addEventListener("change", show);
  show();
}
