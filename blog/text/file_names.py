"""Names of uploaded files, for people: shown in the media library and offered for downloads, never used as a path."""

import re
from pathlib import PurePosixPath
from typing import Final

from blog.text.normalisation import normalise_line

MAX_FILE_NAME: Final = 200
_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BIDI_CONTROLS: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")  # these can show `gnp.exe` as `exe.png`


def clean_file_name(name: str) -> str:
    """Return the last part of a path as a visible one-line name of at most 200 characters; empty if nothing remains."""
    last = re.split(r"[/\\]", name)[-1]
    line = normalise_line(_BIDI_CONTROLS.sub("", _CONTROL_CHARACTERS.sub("", last))).strip(". ")
    if len(line) <= MAX_FILE_NAME:
        return line
    suffix = PurePosixPath(line).suffix[:20]
    return line[: MAX_FILE_NAME - len(suffix)].rstrip(". ") + suffix
