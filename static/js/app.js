// Small behaviours of all pages; each works on what htmx brings in later too, and none is needed to use a page.
(() => {
  // ── Menus and confirmations (details elements) ──────────────────────────────────────────────────
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("details[data-menu][open], details.confirm[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
    event.target.closest("[data-close-details]")?.closest("details")?.removeAttribute("open");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = event.target.closest?.("details[data-menu][open], details.confirm[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });

  // ── Messages ────────────────────────────────────────────────────────────────────────────────────
  document.addEventListener("click", (event) => {
    event.target.closest("[data-dismiss]")?.closest("[data-dismissible]")?.remove();
  });

  function say(text) {
    const box = document.getElementById("messages");
    if (!box || [...box.children].some((note) => note.textContent.trim() === text)) return;
    const note = document.createElement("div");
    note.className = "note note-danger";
    note.setAttribute("role", "alert");
    note.textContent = text;
    box.append(note);
  }
  document.addEventListener("htmx:responseError", () => say(document.body.dataset.failed));
  document.addEventListener("htmx:sendError", () => say(document.body.dataset.unreachable));

  // ── Copy ────────────────────────────────────────────────────────────────────────────────────────
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    await copy(source.value ?? source.textContent);
    const text = button.querySelector("span");
    const before = text.textContent;
    text.textContent = button.dataset.copied;
    setTimeout(() => (text.textContent = before), 1600);
  });

  async function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    // Plain http on another host than localhost has no clipboard: the old way still works.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }

  // ── Tabs (components/snippets.html) ─────────────────────────────────────────────────────────────
  function openTab(tab) {
    const tabs = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")];
    for (const other of tabs) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", String(chosen));
      other.tabIndex = chosen ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
    }
  }
  document.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-tabs] [role=tab]");
    if (tab) openTab(tab);
  });
  document.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const tab = step && event.target.closest?.("[data-tabs] [role=tab]");
    if (!tab) return;
    const tabs = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")];
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    openTab(next);
    next.focus();
  });

  // ── Forms that act on change (sort, filters): their button is for those without JavaScript ──────
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
  });

  // ── Relative times ──────────────────────────────────────────────────────────────────────────────
  const language = document.documentElement.lang || "en";
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "always" });
  const UNITS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];

  function ago(seconds, before) {
    // "just now" was written by the server in the page's language: keep it until a minute has passed.
    if (Math.abs(seconds) < 60) return before;
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size);
    return relative.format(-Math.round(seconds / size), unit);
  }
  setInterval(() => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[data-relative]")) {
      time.textContent = ago((Date.now() - Date.parse(time.dateTime)) / 1000, time.textContent);
    }
  }, 30000);
})();
