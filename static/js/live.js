// Keeps fragments fresh: one event stream a page, whose address is <body data-live-url="…">.
//
//   <div id="status" data-live="<deployment id>" hx-get="…" hx-trigger="live" hx-swap="outerHTML">
//
// The answer is the same element anew, with the same id.
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
  const due = new Set(); // ids of fragments: an answer on its way replaces the element itself
  let stream, gathering, staleTimer, lost = false, failures = 0;

  function refresh(matches) {
    for (const element of document.querySelectorAll("[data-live][id]")) {
      if (matches(element.dataset.live.split(/\s+/))) due.add(element.id);
    }
    gathering ??= setTimeout(ask, GATHER_MS);
  }

  function ask() {
    for (const id of due) {
      const element = document.getElementById(id);
      // It may be answered with what was so before this change: it is asked again after that.
      if (element?.classList.contains("htmx-request")) continue;
      due.delete(id);
      if (element) htmx.trigger(element, "live");
    }
    gathering = due.size ? setTimeout(ask, GATHER_MS) : undefined;
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
