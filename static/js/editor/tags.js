// Completes the tag after the last comma with existing tags (WAI-ARIA combobox pattern).

const MAX_SUGGESTIONS = 8;

export function completeTags(input, url) {
  let names, active = -1;
  const list = Object.assign(document.createElement("ul"), { id: "tag-names", className: "completions", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Existing tags");
  const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id, "aria-expanded": "false" };
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  input.after(list);

  async function load() {
    const response = await fetch(url).catch(() => null);
    return response?.ok ? (await response.json()).sort((a, b) => b.posts - a.posts).map((tag) => tag.name) : [];
  }

  async function suggest(isRequested) {
    const all = await (names ??= load()); // loaded once, on first use
    const typed = input.value.split(",").map((tag) => tag.trim().toLowerCase());
    const word = typed.pop();
    const free = all.filter((name) => !typed.includes(name.toLowerCase()) && name.toLowerCase() !== word);
    const rank = (name) => name.toLowerCase().indexOf(word);
    const matches = word || isRequested ? free.filter((name) => rank(name) >= 0).sort((a, b) => (rank(a) > 0) - (rank(b) > 0)) : [];
    list.replaceChildren(...matches.slice(0, MAX_SUGGESTIONS).map(option));
    open(matches.length > 0 && document.activeElement === input);
  }

  function option(name, index) {
    const item = Object.assign(document.createElement("li"), { id: `tag-name-${index}`, textContent: name });
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
    input.value = `${before}${before && " "}${name}, `;
    open(false);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  input.addEventListener("input", () => suggest(false));
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
      choose(list.children[active].textContent);
    }
  });
  list.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the field keeps the focus
    const item = event.target.closest("li");
    if (item) choose(item.textContent);
  });
}
