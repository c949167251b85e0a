// The live log viewer: follows the stream, searches, wraps. Text is only ever set as text, so a log may hold anything.
(() => {
  const LARGEST = 2_000_000; // characters kept on the page; the whole log can be downloaded
  const RETRY_MS = 3000;
  // Controls that could hide or turn text (bidi overrides, escapes of terminals) are taken out.
  const CONTROLS = /\u001b\[[0-9;?]*[ -/]*[@-~]|[\u0000-\u0008\u000b-\u001f\u202a-\u202e\u2066-\u2069]/g;

  document.querySelectorAll("[data-log]").forEach((card) => {
    const view = card.querySelector("pre.log");
    const empty = card.querySelector(".log-empty");
    const find = (name) => card.querySelector(`[data-log-${name}]`);
    const [search, count, follow, wrap, state] = ["search", "count", "follow", "wrap", "state"].map(find);
    let text = "";

    card.querySelector(".log-tools").hidden = false;
    wrap.addEventListener("change", () => view.classList.toggle("log-wrapped", wrap.checked));
    search.addEventListener("input", show);
    view.addEventListener("scroll", () => {
      const atEnd = view.scrollHeight - view.scrollTop - view.clientHeight < 40;
      if (!atEnd) follow.checked = false;
    });
    follow.addEventListener("change", show);

    function show() {
      const words = search.value.toLowerCase();
      if (words) {
        const lines = text.split("\n").filter((line) => line.toLowerCase().includes(words));
        view.textContent = lines.join("\n");
        count.textContent = `${lines.length} ${card.dataset.matches}`;
      } else {
        view.textContent = text;
        count.textContent = "";
      }
      if (empty) empty.hidden = text !== "";
      if (follow.checked) view.scrollTop = view.scrollHeight;
    }

    async function read() {
      const answer = await fetch(card.dataset.log);
      if (!answer.ok || !answer.body) throw new Error(String(answer.status));
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      text = "";
      state.textContent = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        text = (text + value.replace(CONTROLS, "")).slice(-LARGEST);
        requestAnimationFrame(show);
      }
    }

    async function listen() {
      try {
        await read();
        state.textContent = card.dataset.ended;
      } catch {
        state.textContent = card.dataset.lost;
        setTimeout(listen, RETRY_MS);
      }
    }
    listen();
  });
})();
