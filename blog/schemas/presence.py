"""Schema of the editors of a post."""

from blog.schemas.fields import Output


class PresenceOut(Output):
    """The usernames of other people with the post's editor open, and the post's present version."""

    others: list[str]
    version: int
