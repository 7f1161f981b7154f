"""Who edits what, on the wire."""

from blog.schemas.fields import Output


class PresenceOut(Output):
    """The names of the others who have the form of a post open, and the post's present version."""

    others: list[str]
    version: int
