// Ctrl+S loads the page again: continue at the same place.

const STORAGE_KEY = "blog:caret";

export function rememberCaret(area) {
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify([area.selectionStart, area.selectionEnd, scrollY]));
  } catch {} // storage is disabled: the page starts at the top
}

export function restoreCaret(area) {
  try {
    const [start, end, top] = JSON.parse(sessionStorage.getItem(STORAGE_KEY)) ?? [];
    sessionStorage.removeItem(STORAGE_KEY);
    if (start === undefined) return;
    area.focus({ preventScroll: true });
    area.setSelectionRange(start, end);
    scrollTo(0, top);
  } catch {}
}
