"""Regular expressions that must match."""

import re


def search(pattern: str | re.Pattern[str], text: str, flags: int = 0) -> re.Match[str]:
    """Return the first match. Raises AssertionError with the text if there is none."""
    match = re.search(pattern, text, flags)
    assert match, f"no match for {pattern} in: {text}"
    return match
