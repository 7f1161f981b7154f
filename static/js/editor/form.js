// Reads and fills the fields of a form.

const RESTORED_HIDDEN_FIELDS = new Set(["autosave", "version", "publish_at"]);

export function values(form) {
  return Object.fromEntries(new FormData(form));
}

// Returns the typed content as a string for comparison, without bookkeeping fields and empty values.
export function contentOf(values) {
  const { autosave, version, form_key, ...rest } = values;
  return JSON.stringify(Object.entries(rest).filter(([, value]) => value).sort());
}

export function fill(form, values) {
  for (const field of form.elements) {
    if (!(field.name in values) || field.type === "submit") continue;
    if (field.type === "radio" || field.type === "checkbox") field.checked = field.value === values[field.name];
    else if (field.type !== "hidden" || RESTORED_HIDDEN_FIELDS.has(field.name)) field.value = values[field.name];
  }
  form.dispatchEvent(new CustomEvent("filled"));
  form.dispatchEvent(new Event("input"));
}

// Returns the time of a moment in the time zone of the blog, as on the pages, with its day unless that is today.
export function clock(moment) {
  const { locale, timeZone } = document.getElementById("editor").dataset;
  const day = (at) => new Intl.DateTimeFormat(locale, { timeZone, dateStyle: "long" }).format(at);
  const time = new Intl.DateTimeFormat(locale, { timeZone, hour: "2-digit", minute: "2-digit", timeZoneName: "short" }).format(moment);
  return day(moment) === day(new Date()) ? time : `${day(moment)}, ${time}`;
}
