"""Progress callbacks of long-running commands."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with the units done and the total number of units: rows, pages, files or bytes."""
PartProgress = Callable[[str, int, int], None]
"""Called with the name of the part in progress, its units done and its total number of units."""


def no_progress(*_report: object) -> None:
    """Ignore progress reports. The default of every `progress` parameter."""
