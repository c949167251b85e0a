// Makes <textarea data-editor> comfortable for programs: numbered lines, Tab and Shift+Tab indent, Enter keeps the
// indent. Escape lets the next Tab leave the field, as the hint below it says. Without this it is a plain text area.
(() => {
  const INDENT = "    ";

  function enhance(area) {
    const frame = document.createElement("div");
    frame.className = "editor";
    const numbers = document.createElement("div");
    numbers.className = "editor-lines";
    numbers.setAttribute("aria-hidden", "true");
    area.before(frame);
    frame.append(numbers, area);
    if (area.dataset.example) frame.after(exampleButton(area));
    if (area.dataset.keys) frame.after(hint(area));

    let leaving = false;
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") leaving = true;
      else if (event.key === "Tab" && !leaving && !event.altKey && !event.ctrlKey) {
        event.preventDefault();
        indent(area, event.shiftKey);
      } else if (event.key === "Enter" && !event.isComposing) {
        event.preventDefault();
        insert(area, "\n" + indentOfNextLine(area));
      } else if (event.key !== "Shift") leaving = false;
    });
    area.addEventListener("focus", () => (leaving = false));
    area.addEventListener("input", () => number(area, numbers));
    area.addEventListener("scroll", () => (numbers.scrollTop = area.scrollTop));
    number(area, numbers);
  }

  function number(area, numbers) {
    const count = area.value.split("\n").length;
    if (numbers.childElementCount === count) return;
    numbers.replaceChildren(
      ...Array.from({ length: count }, (_nothing, line) => {
        const mark = document.createElement("span");
        mark.textContent = line + 1;
        return mark;
      }),
    );
    numbers.scrollTop = area.scrollTop;
  }

  /** What is typed, so that the browser's own undo knows it. */
  function insert(area, text) {
    area.focus();
    if (!document.execCommand("insertText", false, text)) {
      area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  function lineStart(area) {
    return area.value.lastIndexOf("\n", area.selectionStart - 1) + 1;
  }

  function indentOfNextLine(area) {
    const before = area.value.slice(lineStart(area), area.selectionStart);
    const own = /^[ \t]*/.exec(before)[0];
    return before.trimEnd().endsWith(":") ? own + INDENT : own;
  }

  function indent(area, outwards) {
    const from = lineStart(area);
    if (!outwards && area.selectionStart === area.selectionEnd) {
      insert(area, INDENT.slice((area.selectionStart - from) % INDENT.length));
      return;
    }
    const selected = [area.selectionStart, area.selectionEnd];
    const lines = area.value.slice(from, area.selectionEnd).split("\n");
    const moved = lines.map((line) => (outwards ? line.replace(/^( {1,4}|\t)/, "") : line && INDENT + line));
    area.setSelectionRange(from, area.selectionEnd);
    const text = moved.join("\n");
    if (text) insert(area, text);
    else area.setRangeText("");
    const first = moved[0].length - lines[0].length;
    area.setSelectionRange(Math.max(from, selected[0] + first), from + text.length);
  }

  function hint(area) {
    const text = document.createElement("p");
    text.className = "form-hint mb-2";
    text.textContent = area.dataset.keys;
    return text;
  }

  function exampleButton(area) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm mb-2";
    button.textContent = area.dataset.example;
    button.addEventListener("click", () => {
      if (!area.value) insert(area, area.placeholder);
      area.focus();
    });
    return button;
  }

  document.querySelectorAll("textarea[data-editor]").forEach(enhance);
})();
