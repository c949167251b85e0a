// Shows the chosen image under its field, and says at once when a file is too large to be sent.
(() => {
  function preview(field) {
    const group = field.closest(".form-group");
    field.form.querySelectorAll(".use-samples .use-preview").forEach((example) => example.remove());
    group.querySelector(".use-preview")?.remove();
    const file = field.files[0];
    field.setCustomValidity(file && file.size > field.dataset.limitMb * 1e6 ? field.dataset.tooLarge : "");
    field.reportValidity();
    if (!file?.type.startsWith("image/")) return;
    const reader = new FileReader(); // the pages' policy takes images from data:, not from blob:
    reader.addEventListener("load", () => {
      const image = new Image();
      image.className = "use-preview";
      image.alt = "";
      image.src = reader.result;
      group.append(image);
    });
    if (file.size < 2e7) reader.readAsDataURL(file);
  }

  // On a phone the answer comes in below what can be seen.
  document.addEventListener("htmx:afterSwap", (event) => {
    const result = event.target.id === "result" && document.getElementById("result");
    if (result && result.getBoundingClientRect().top > innerHeight - 200) result.scrollIntoView();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("input[type=file][data-preview]")) preview(event.target);
  });
})();
