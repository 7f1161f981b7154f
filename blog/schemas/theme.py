"""The colours of the pages, as a reader wants them."""

from enum import StrEnum

from blog.schemas.fields import Input


class Theme(StrEnum):
    """Light, dark, or as the reader's system has it."""

    LIGHT = "light"
    DARK = "dark"
    AUTO = "auto"


class ThemeChoice(Input):
    """The form of the switch: the theme, and the path of the page on which it was sent."""

    theme: Theme
    next: str = ""
