// Loaded in the head and not deferred: the page must never show the wrong colours first.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const YEAR_SECONDS = 365 * 24 * 3600;

  function show(choice) {
    root.dataset.themeChoice = choice;
    root.dataset.bsTheme = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
    document.dispatchEvent(new CustomEvent("serai:theme", { detail: root.dataset.bsTheme }));
  }

  function choose(choice) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `serai_theme=${choice}; Path=/; Max-Age=${YEAR_SECONDS}; SameSite=Lax${secure}`;
    show(choice);
  }

  show(root.dataset.themeChoice || "system");
  dark.addEventListener("change", () => show(root.dataset.themeChoice));

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-value]");
    if (!button) return;
    event.preventDefault();
    choose(button.dataset.themeValue);
    for (const other of document.querySelectorAll("[data-theme-value]")) {
      other.setAttribute("aria-pressed", String(other.dataset.themeValue === button.dataset.themeValue));
    }
  });
})();
