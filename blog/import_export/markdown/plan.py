"""Planning of an import: what to do with each file, given the records of earlier imports."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from blog.domain.posts.import_records import ImportRecord
from blog.import_export.markdown.folder import Rejection, SourceFolder
from blog.import_export.markdown.source import SourcePost

EDITED_IN_BLOG = "the file changed, and its post was edited in the blog since the import: merge the two by hand"
DELETED_IN_BLOG = "its post was deleted in the blog since the import"


class Action(Enum):
    """The action for a file: insert a post, overwrite it, leave it unchanged, or record the new path of the file."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class PlannedPost:
    """A post of the folder and its record of an earlier import, which is None only for `Action.NEW`."""

    post: SourcePost
    action: Action
    record: ImportRecord | None = None

    @property
    def is_write(self) -> bool:
        """Whether the post itself is written."""
        return self.action in (Action.NEW, Action.CHANGED)


class Planner:
    """Plans the import of one folder. Each known post is assigned to one file at most."""

    def __init__(self, folder: SourceFolder) -> None:
        self._folder = folder
        self._current_sources = frozenset(map(folder.source_name, folder.paths))
        self._claimed_post_ids: set[int] = set()

    def plan(self, posts: Sequence[SourcePost], records: Iterable[ImportRecord]) -> list[PlannedPost | Rejection]:
        """Return a step or a rejection for each post, given the records that have their source names or digests."""
        by_source = {record.source: record for record in records}
        sources = [self._folder.source_name(post.path) for post in posts]
        self._claimed_post_ids.update(by_source[source].post_id for source in sources if source in by_source)
        return [
            self._decide(post, by_source.get(source), by_source.values()) for post, source in zip(posts, sources, strict=True)
        ]

    def _decide(self, post: SourcePost, record: ImportRecord | None, records: Iterable[ImportRecord]) -> PlannedPost | Rejection:
        if record is None:
            moved = self._find_moved(post, records)
            return PlannedPost(post, Action.MOVED if moved else Action.NEW, moved)
        if record.is_deleted:
            return Rejection(post.path, 1, DELETED_IN_BLOG)
        if record.digest == post.digest:
            return PlannedPost(post, Action.UNCHANGED, record)
        return Rejection(post.path, 1, EDITED_IN_BLOG) if record.is_edited else PlannedPost(post, Action.CHANGED, record)

    def _find_moved(self, post: SourcePost, records: Iterable[ImportRecord]) -> ImportRecord | None:
        """Return the record of the same content under a path that is gone; preferably the same path in a renamed folder."""
        candidates = [
            record
            for record in records
            if record.digest == post.digest
            and post.accepts_slug(record.slug)
            and not (record.is_deleted or record.source in self._current_sources or record.post_id in self._claimed_post_ids)
        ]
        best = min(candidates, key=lambda record: (not record.source.endswith(f"/{post.path}"), record.slug), default=None)
        if best is not None:
            self._claimed_post_ids.add(best.post_id)
        return best
