"""Location of templates and static files: inside the installed package, or next to it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]


def resource_dir(name: str) -> Path:
    """Return the folder `templates` or `static`."""
    packaged = _PACKAGE / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name
