"""What is to be done with each file, by what earlier imports left."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from blog.domain.posts.import_records import ImportRecord
from blog.import_export.markdown.folder import Rejection, SourceFolder
from blog.import_export.markdown.source import SourcePost

EDITED_IN_BLOG = "the file changed, and its post was edited in the blog since the import: bring the two together by hand"
DELETED_IN_BLOG = "its post was deleted in the blog since the import"


class Action(Enum):
    """What to do: write a new post, write it anew, nothing, or note the new name of a known file."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class PlannedPost:
    """One post of the folder, with what an earlier import left of it; all actions but WRITE have a trace."""

    post: SourcePost
    action: Action
    record: ImportRecord | None = None

    @property
    def is_write(self) -> bool:
        """Does the post itself get written?"""
        return self.action in (Action.NEW, Action.CHANGED)


class Planner:
    """Decides over the files of one tree; a known post is given to one file only."""

    def __init__(self, tree: SourceFolder) -> None:
        self._folder = tree
        self._current_sources = frozenset(map(tree.source_name, tree.paths))
        self._claimed_post_ids: set[int] = set()

    def plan(self, found: Sequence[SourcePost], records: Iterable[ImportRecord]) -> list[PlannedPost | Rejection]:
        """A step or a refusal for each post, given the traces of all their names and digests."""
        known = {trace.source: trace for trace in records}
        sources = [self._folder.source_name(post.path) for post in found]
        self._claimed_post_ids.update(known[source].post_id for source in sources if source in known)
        named = zip(found, sources, strict=True)
        return [self._decide(post, known.get(source), known.values()) for post, source in named]

    def _decide(self, post: SourcePost, trace: ImportRecord | None, traces: Iterable[ImportRecord]) -> PlannedPost | Rejection:
        if trace is None:
            moved = self._find_moved(post, traces)
            return PlannedPost(post, Action.MOVED if moved else Action.NEW, moved)
        if trace.is_deleted:
            return Rejection(post.path, 1, DELETED_IN_BLOG)
        if trace.digest == post.digest:
            return PlannedPost(post, Action.UNCHANGED, trace)
        return Rejection(post.path, 1, EDITED_IN_BLOG) if trace.is_edited else PlannedPost(post, Action.CHANGED, trace)

    def _find_moved(self, post: SourcePost, traces: Iterable[ImportRecord]) -> ImportRecord | None:
        """The trace of this very file under a name it no longer has; in a renamed folder, that of the same path."""
        candidates = [
            trace
            for trace in traces
            if trace.digest == post.digest
            and post.accepts_slug(trace.slug)
            and not (trace.is_deleted or trace.source in self._current_sources or trace.post_id in self._claimed_post_ids)
        ]
        best = min(candidates, key=lambda trace: (not trace.source.endswith(f"/{post.path}"), trace.slug), default=None)
        if best is not None:
            self._claimed_post_ids.add(best.post_id)
        return best
