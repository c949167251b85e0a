// Uploads with their progress, and files dropped onto the form. Without this the form sends itself.
(() => {
  for (const form of document.querySelectorAll("[data-upload]")) {
    const input = form.querySelector("input[type=file]");
    const meter = form.querySelector("[data-upload-meter]");
    form.querySelector("[data-drop-hint]").hidden = false;

    for (const name of ["dragenter", "dragover"]) {
      form.addEventListener(name, (event) => {
        event.preventDefault();
        form.dataset.over = "";
      });
    }
    form.addEventListener("dragleave", () => delete form.dataset.over);
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      delete form.dataset.over;
      if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const request = new XMLHttpRequest();
      meter.hidden = false;
      for (const button of form.querySelectorAll("button")) button.disabled = true;
      request.upload.addEventListener("progress", ({ loaded, total }) => show(Math.round((100 * loaded) / total)));
      request.addEventListener("load", () => window.location.assign(request.getResponseHeader("X-Next") ?? ""));
      request.addEventListener("error", () => fail());
      request.open("POST", form.action);
      // A redirection would be followed here, and its page would use up the messages.
      request.setRequestHeader("X-Requested-With", "XMLHttpRequest");
      request.send(new FormData(form));
    });

    function show(percent) {
      meter.querySelector("progress").value = percent;
      meter.querySelector("[data-upload-percent]").textContent = `${percent} %`;
    }

    function fail() {
      meter.hidden = true;
      for (const button of form.querySelectorAll("button")) button.disabled = false;
      const note = document.createElement("p");
      note.className = "field-error";
      note.setAttribute("role", "alert");
      note.textContent = form.dataset.failed;
      form.append(note);
    }
  }
})();
