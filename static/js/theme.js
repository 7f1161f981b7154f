// Switches the theme without a page load, which would lose unsaved form input.

const form = document.querySelector("form.theme");
const root = document.documentElement;

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const theme = event.submitter.value;
  fetch(form.action, { method: "POST", body: new URLSearchParams({ theme }), redirect: "manual" })
    .then((response) => response.type === "opaqueredirect" && show(theme))
    .catch(() => {}); // the request failed: keep the current theme
});

// Sets the same attributes as `layout.html` and `_theme.html`.
function show(theme) {
  const isAuto = theme === "auto";
  if (isAuto) delete root.dataset.theme;
  else root.dataset.theme = theme;
  document.querySelector('meta[name="color-scheme"]').content = isAuto ? "light dark" : theme;
  ["light", "dark"].forEach((name, index) => {
    const meta = document.querySelectorAll('meta[name="theme-color"]')[index];
    meta.media = isAuto ? `(prefers-color-scheme: ${name})` : name === theme ? "all" : "not all";
  });
  for (const button of form.elements.theme) button.setAttribute("aria-pressed", button.value === theme);
}
