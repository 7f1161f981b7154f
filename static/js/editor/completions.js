// Completes the name after the last comma of a field, or its only name (WAI-ARIA combobox pattern).

const MAX_SUGGESTIONS = 8;

// `find(word, typed)` returns suggestions as `{ value, text }`: `word` is after the last comma, `typed` are the names before it.
// With `isSingle` the field has one name, and commas mean nothing.
export function complete(input, { id, label, find, isSingle = false }) {
  let active = -1;
  let chosen = null; // the value after a choice, which needs no suggestions
  const list = Object.assign(document.createElement("ul"), { id, className: "completions", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", label);
  const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-controls": id, "aria-expanded": "false" };
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  input.after(list);

  async function suggest(isRequested) {
    const { value } = input;
    const typed = (isSingle ? [value] : value.split(",")).map((name) => name.trim().toLowerCase());
    const word = typed.pop();
    const matches = word || isRequested ? await find(word, typed) : [];
    if (input.value !== value) return; // typed on meanwhile
    list.replaceChildren(...matches.slice(0, MAX_SUGGESTIONS).map(option));
    open(matches.length > 0 && document.activeElement === input);
  }

  function option({ value, text }, index) {
    const item = Object.assign(document.createElement("li"), { id: `${id}-${index}`, textContent: text });
    item.dataset.value = value;
    item.setAttribute("role", "option");
    return item;
  }

  function open(isOpen) {
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", isOpen);
    setActive(-1);
  }

  function setActive(position) {
    active = position;
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", index === position));
    if (position < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", list.children[position].id);
  }

  function choose(name) {
    const before = input.value.slice(0, input.value.lastIndexOf(",") + 1);
    input.value = isSingle ? name : `${before}${before && " "}${name}, `;
    chosen = input.value;
    open(false);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  input.addEventListener("input", () => {
    if (input.value !== chosen) suggest(false);
  });
  input.addEventListener("blur", () => open(false));
  input.addEventListener("keydown", async (event) => {
    const count = list.hidden ? 0 : list.children.length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!count) return suggest(true);
      setActive(event.key === "ArrowDown" ? (active + 1) % count : (active <= 0 ? count : active) - 1);
    } else if (event.key === "Escape" && count) {
      event.preventDefault();
      open(false);
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && count && active >= 0) {
      event.preventDefault();
      choose(list.children[active].dataset.value);
    }
  });
  list.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the field keeps the focus
    const item = event.target.closest("li");
    if (item) choose(item.dataset.value);
  });
}
