// Completes the tag after the last comma: the combobox pattern of WAI-ARIA, with a list of names that are in use.

const MOST = 8;

export function completeTags(input, address) {
  let names, active = -1;
  const list = Object.assign(document.createElement("ul"), { id: "tag-names", className: "completions", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Names in use");
  const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id, "aria-expanded": "false" };
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  input.after(list);

  async function load() {
    const response = await fetch(address).catch(() => null);
    return response?.ok ? (await response.json()).sort((a, b) => b.posts - a.posts).map((tag) => tag.name) : [];
  }

  async function suggest(isAsked) {
    const all = await (names ??= load()); // once, and in the order of typing
    const typed = input.value.split(",").map((tag) => tag.trim().toLowerCase());
    const word = typed.pop();
    const free = all.filter((name) => !typed.includes(name.toLowerCase()) && name.toLowerCase() !== word);
    const rank = (name) => name.toLowerCase().indexOf(word);
    const found = word || isAsked ? free.filter((name) => rank(name) >= 0).sort((a, b) => (rank(a) > 0) - (rank(b) > 0)) : [];
    list.replaceChildren(...found.slice(0, MOST).map(option));
    open(found.length > 0 && document.activeElement === input);
  }

  function option(name, place) {
    const item = Object.assign(document.createElement("li"), { id: `tag-name-${place}`, textContent: name });
    item.setAttribute("role", "option");
    return item;
  }

  function open(isOpen) {
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", isOpen);
    mark(-1);
  }

  function mark(place) {
    active = place;
    [...list.children].forEach((item, here) => item.setAttribute("aria-selected", here === place));
    if (place < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", list.children[place].id);
  }

  function take(name) {
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
      mark(event.key === "ArrowDown" ? (active + 1) % count : (active <= 0 ? count : active) - 1);
    } else if (event.key === "Escape" && count) {
      event.preventDefault();
      open(false);
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && count && active >= 0) {
      event.preventDefault();
      take(list.children[active].textContent);
    }
  });
  list.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the field keeps the focus
    const item = event.target.closest("li");
    if (item) take(item.textContent);
  });
}
