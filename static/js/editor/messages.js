// Lines below the text that are read out: what went wrong, and what can be done about it.

const place = document.querySelector(".editor-messages");

export function say(words, { action, onAction, link } = {}) {
  for (const old of [...place.children]) if (old.firstChild.data === words) old.remove();
  const line = document.createElement("p");
  line.append(words);
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
  place.append(line);
  return line;
}
