"""The colour theme of the pages."""

from enum import StrEnum

from blog.schemas.fields import Input


class Theme(StrEnum):
    """Light, dark, or the setting of the reader's system."""

    LIGHT = "light"
    DARK = "dark"
    AUTO = "auto"


class ThemeChoice(Input):
    """The theme form: the theme, and the path to return to."""

    theme: Theme
    next: str = ""
