// Chooses the time zone of the browser on the setup page.

const select = document.querySelector("[data-browser-zone]");
if (select) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  if ([...select.options].some((option) => option.value === timeZone)) select.value = timeZone;
}
