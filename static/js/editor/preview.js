// The text as readers will see it, rendered by the server that will render the post: beside the text, or in its place.

const PAUSE = 400;
const REMEMBERED = "blog:editor-view";

export function preview(editor, form, area) {
  const pane = editor.querySelector(".editor-preview");
  const place = pane.querySelector(".prose");
  const title = pane.querySelector(".editor-preview-title");
  const buttons = [...editor.querySelectorAll("[data-view]")];
  let timer, asking, shown;

  async function render() {
    title.textContent = form.elements.title.value;
    const content = area.value;
    if (content === shown) return;
    asking?.abort(); // the last question is the one that counts
    const { signal } = (asking = new AbortController());
    try {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch(editor.dataset.preview, { method: "POST", headers, body: JSON.stringify({ content }), signal });
      const html = response.ok ? await response.text() : null;
      if (signal.aborted) return;
      if (html !== null) [shown, place.innerHTML] = [content, html];
      fail(html === null && (response.status === 401 ? "you are signed out" : `the server answered ${response.status}`));
    } catch {
      if (!signal.aborted) fail("the server cannot be reached");
    }
  }

  function fail(reason) {
    pane.querySelector(".error")?.remove();
    if (!reason) return;
    title.before(Object.assign(document.createElement("p"), { className: "error", textContent: `Not up to date: ${reason}.` }));
  }

  function look(view) {
    editor.dataset.showing = view;
    pane.hidden = view === "write";
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.view === view);
    if (view !== "write") render();
  }

  for (const button of buttons) {
    button.addEventListener("click", () => {
      look(button.dataset.view);
      try {
        localStorage.setItem(REMEMBERED, button.dataset.view);
      } catch {} // a browser that keeps nothing forgets this, too
    });
  }
  form.addEventListener("input", () => {
    if (pane.hidden) return;
    clearTimeout(timer);
    timer = setTimeout(render, PAUSE);
  });
  area.addEventListener("scroll", () => {
    const room = area.scrollHeight - area.clientHeight;
    if (editor.dataset.showing === "both" && room > 0) {
      pane.scrollTop = (area.scrollTop / room) * (pane.scrollHeight - pane.clientHeight);
    }
  });
  let remembered;
  try {
    remembered = localStorage.getItem(REMEMBERED);
  } catch {}
  look(remembered === "both" || remembered === "preview" ? remembered : "write");
}
