// Buttons that copy the value of a field: <button data-copy="ID OF THE FIELD" hidden>, followed by an element for the message.

for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  button.hidden = !navigator.clipboard; // missing on pages without TLS
  button.addEventListener("click", async () => {
    const message = button.nextElementSibling;
    try {
      await navigator.clipboard.writeText(field.value);
      message.textContent = "Copied.";
    } catch {
      field.select();
      message.textContent = "Press Ctrl+C to copy.";
    }
  });
}
