// Live preview, rendered by the server: next to the text or instead of it.

const PAUSE = 400;
const STORAGE_KEY = "blog:editor-view";

export function preview(editor, form, area) {
  const pane = editor.querySelector(".editor-preview");
  const output = pane.querySelector(".prose");
  const title = pane.querySelector(".editor-preview-title");
  const buttons = [...editor.querySelectorAll("[data-view]")];
  let timer, pendingRequest, shown;

  async function render() {
    title.textContent = form.elements.title.value;
    const content = area.value;
    if (content === shown) return;
    pendingRequest?.abort(); // only the latest request counts
    const { signal } = (pendingRequest = new AbortController());
    try {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch(editor.dataset.preview, { method: "POST", headers, body: JSON.stringify({ content }), signal });
      const html = response.ok ? await response.text() : null;
      if (signal.aborted) return;
      if (html !== null) [shown, output.innerHTML] = [content, html];
      fail(html === null && (response.status === 401 ? "you are signed out" : `the server returned status ${response.status}`));
    } catch {
      if (!signal.aborted) fail("the server could not be reached");
    }
  }

  function fail(reason) {
    pane.querySelector(".error")?.remove();
    if (!reason) return;
    title.before(Object.assign(document.createElement("p"), { className: "error", textContent: `Preview not up to date: ${reason}.` }));
  }

  function setView(view) {
    form.dataset.showing = view;
    pane.hidden = view === "write";
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.view === view);
    if (view !== "write") render();
  }

  for (const button of buttons) {
    button.addEventListener("click", () => {
      setView(button.dataset.view);
      try {
        localStorage.setItem(STORAGE_KEY, button.dataset.view);
      } catch {} // storage is disabled: the choice is not remembered
    });
  }
  form.addEventListener("input", () => {
    if (pane.hidden) return;
    clearTimeout(timer);
    timer = setTimeout(render, PAUSE);
  });
  area.addEventListener("scroll", () => {
    const scrollRange = area.scrollHeight - area.clientHeight;
    if (form.dataset.showing === "both" && scrollRange > 0) {
      pane.scrollTop = (area.scrollTop / scrollRange) * (pane.scrollHeight - pane.clientHeight);
    }
  });
  let remembered;
  try {
    remembered = localStorage.getItem(STORAGE_KEY);
  } catch {}
  setView(remembered === "both" || remembered === "preview" ? remembered : "write");
}
