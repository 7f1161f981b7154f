// Labels the save button by status, and shows the publication time in local time. The form submits UTC.

export function schedule(form, button, isPublished) {
  const sent = form.elements.publish_at;
  const shown = sent.cloneNode();
  const hint = document.getElementById("hint-publish_at");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  shown.removeAttribute("name");
  sent.removeAttribute("id");
  sent.type = "hidden";
  sent.after(shown);

  const read = () => {
    shown.value = sent.value ? local(new Date(`${sent.value}Z`)) : "";
    update();
  };

  function update() {
    const status = form.elements.status.value;
    const isScheduled = status === "scheduled";
    shown.closest(".field").hidden = !isScheduled;
    shown.required = isScheduled;
    const at = shown.value ? new Date(shown.value) : null;
    const utc = at ? ` UTC: ${at.toLocaleString([], { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" })}.` : "";
    hint.textContent = `Your local time (${zone}).${utc}`;
    const labels = { draft: isPublished ? "Save as draft" : "Save draft", scheduled: "Schedule" };
    button.textContent = labels[status] ?? (isPublished ? "Save changes" : "Publish");
  }

  shown.addEventListener("input", () => {
    sent.value = shown.value ? new Date(shown.value).toISOString().slice(0, 16) : "";
    update();
  });
  form.addEventListener("change", update);
  form.addEventListener("filled", read);
  read();
}

function local(at) {
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
