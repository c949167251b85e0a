// Keeps fragments fresh: one event stream a page, whose address is <body data-live-url="…">.
//
//   <div id="status" data-live="<deployment id>" hx-get="…" hx-trigger="live">
//
// The stream says `changed` with a deployment's id. Elements whose data-live holds that id, or `*` (any
// deployment), get the htmx event `live`. After a lost connection all of them do, since news may have been missed.
(() => {
  const url = (document.body.dataset.liveUrl || "").trim();
  if (!url) return;

  const GATHER_MS = 150; // several changes at once ask for a fragment once
  const STALE_AFTER_MS = 4000;
  const RETRY_MS = [1000, 2000, 5000, 10000];
  const badge = document.getElementById("live-state");
  const due = new Set();
  let stream, gathering, staleTimer, lost = false, failures = 0;

  function refresh(matches) {
    for (const element of document.querySelectorAll("[data-live]")) {
      if (matches(element.dataset.live.split(/\s+/))) due.add(element);
    }
    gathering ??= setTimeout(() => {
      gathering = undefined;
      for (const element of due) if (element.isConnected) htmx.trigger(element, "live");
      due.clear();
    }, GATHER_MS);
  }

  function opened() {
    clearTimeout(staleTimer);
    staleTimer = undefined;
    if (badge) badge.hidden = true;
    failures = 0;
    if (lost) refresh(() => true);
    lost = false;
  }

  function failed() {
    lost = true;
    staleTimer ??= setTimeout(() => badge && (badge.hidden = false), STALE_AFTER_MS);
    if (stream.readyState !== EventSource.CLOSED) return; // the browser tries again itself
    const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)];
    setTimeout(listen, wait);
  }

  function listen() {
    stream = new EventSource(url);
    stream.addEventListener("open", opened);
    stream.addEventListener("error", failed);
    stream.addEventListener("changed", (event) => {
      const id = JSON.parse(event.data);
      document.dispatchEvent(new CustomEvent("serai:changed", { detail: id }));
      refresh((topics) => topics.includes(id) || topics.includes("*"));
    });
  }

  // A page put aside by the browser must not hold one of its few connections.
  addEventListener("pagehide", () => stream?.close());
  addEventListener("pageshow", (event) => {
    if (event.persisted) { lost = true; listen(); }
  });
  listen();
})();
