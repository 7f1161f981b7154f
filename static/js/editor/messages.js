// Messages below the editor, announced by screen readers, with an optional action.

const container = document.querySelector(".editor-messages");

export function showMessage(text, { action, onAction, link } = {}) {
  for (const old of [...container.children]) if (old.firstChild.data === text) old.remove();
  const line = document.createElement("p");
  line.append(text);
  if (link) {
    const anchor = Object.assign(document.createElement("a"), { href: link, target: "_blank", rel: "noopener", textContent: action });
    line.append(" ", anchor);
  } else if (action) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "as-link", textContent: action });
    button.addEventListener("click", () => {
      line.remove();
      onAction();
    });
    line.append(" ", button);
  }
  container.append(line);
  return line;
}
