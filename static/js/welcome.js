// The code of a sign-in link is in the fragment, which the browser sends to nobody: post it from here.
(() => {
  const code = location.hash.slice(1);
  if (!code) return;
  history.replaceState(null, "", location.pathname); // neither in the history nor under the next reload
  const form = document.getElementById("welcome-form");
  form.elements.code.value = decodeURIComponent(code);
  form.requestSubmit();
})();
