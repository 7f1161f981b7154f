// Shows the publication time in local time, and the button that fits it: "Publish" or "Schedule". The form submits UTC.

export function schedule(form) {
  const sent = form.elements.publish_at;
  if (!sent) return; // a published post
  const shown = sent.cloneNode();
  const hint = document.getElementById("hint-publish_at");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const publish = form.querySelector("button[value=published]");
  const later = form.querySelector("button[value=scheduled]");
  shown.removeAttribute("name");
  sent.removeAttribute("id");
  sent.type = "hidden";
  sent.after(shown);

  const read = () => {
    shown.value = sent.value ? local(new Date(`${sent.value}Z`)) : "";
    update();
  };

  function update() {
    const at = shown.value ? new Date(shown.value) : null;
    const utc = at ? ` UTC: ${at.toLocaleString([], { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" })}.` : "";
    hint.textContent = `Your local time (${zone}).${utc}`;
    if (!publish || !later) return; // a scheduled post
    publish.hidden = Boolean(at);
    later.hidden = !at;
  }

  shown.addEventListener("input", () => {
    sent.value = shown.value ? new Date(shown.value).toISOString().slice(0, 16) : "";
    update();
  });
  form.addEventListener("filled", read);
  read();
}

function local(at) {
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
