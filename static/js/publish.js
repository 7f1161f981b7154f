// Shows the publication time in local time. The form submits UTC.

const sent = document.querySelector("[name=publish_at]");
if (sent) {
  const shown = sent.cloneNode();
  const hint = document.getElementById("hint-publish_at");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  shown.removeAttribute("name");
  shown.min = local(new Date());
  sent.removeAttribute("id");
  sent.type = "hidden";
  sent.required = false;
  sent.after(shown);

  const update = () => {
    const at = shown.value ? new Date(shown.value) : null;
    sent.value = at ? at.toISOString().slice(0, 16) : "";
    const utc = at ? ` UTC: ${at.toLocaleString([], { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" })}.` : "";
    hint.textContent = `Your local time (${zone}).${utc}`;
  };
  if (sent.value) shown.value = local(new Date(`${sent.value}Z`));
  shown.addEventListener("input", update);
  update();
}

function local(at) {
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
