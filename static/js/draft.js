// Keeps the text of a form in this browser until it was sent, so that leaving the page loses nothing.

const SENT = "blog:sent"; // the draft that this tab is sending

// A form that succeeded leads to another page by a redirect, and a failed one does not.
const [arrival] = performance.getEntriesByType("navigation");
const sent = read(sessionStorage, SENT);
if (sent && arrival?.type === "navigate" && arrival.redirectCount) write(localStorage, sent, null);
write(sessionStorage, SENT, null);

for (const form of document.querySelectorAll("form[data-draft]")) keep(form);

function keep(form) {
  const key = `blog:draft:${form.dataset.draft}`;
  const fields = [...form.querySelectorAll("textarea, input[type=text]:not([name=website])")];
  const { version } = form.elements;
  const loadedVersion = version?.value;
  const isReturned = form.querySelector(".error-summary"); // the fields contain what was typed

  function store() {
    const isTyped = isReturned || fields.some((field) => field.value !== field.defaultValue);
    const texts = Object.fromEntries(fields.map(({ name, value }) => [name, value]));
    write(localStorage, key, isTyped ? { texts, version: version?.value } : null);
  }

  function restore(draft) {
    if (fields.every(({ name, value }) => (draft.texts[name] ?? value) === value)) return;
    for (const field of fields) field.value = draft.texts[field.name] ?? field.value;
    if (version) version.value = draft.version; // a page that was saved since then is not overwritten
    const note = Object.assign(document.createElement("p"), { className: "hint", role: "status" });
    const button = Object.assign(document.createElement("button"), { type: "button", className: "as-link", textContent: "Discard" });
    note.append("Restored unsaved text. ", button);
    button.addEventListener("click", () => {
      for (const field of fields) field.value = field.defaultValue;
      if (version) version.value = loadedVersion;
      write(localStorage, key, null);
      note.remove();
      fields.at(-1).focus();
    });
    form.prepend(note);
  }

  const draft = read(localStorage, key);
  if (isReturned) store();
  else if (draft) restore(draft);
  form.addEventListener("input", store);
  form.addEventListener("submit", () => write(sessionStorage, SENT, key));
}

function read(storage, key) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null; // storage is disabled
  }
}

function write(storage, key, value) {
  try {
    if (value) storage.setItem(key, JSON.stringify(value));
    else storage.removeItem(key);
  } catch {} // the quota is exceeded, or storage is disabled
}
