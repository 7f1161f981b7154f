"""What is to be done with each file, by what earlier imports left."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from blog.domain.posts.import_records import Trace
from blog.import_export.markdown.folder import Refusal, Tree
from blog.import_export.markdown.source import SourcePost

EDITED = "the file changed, and its post was edited in the blog since the import: bring the two together by hand"
DELETED = "its post was deleted in the blog since the import"


class Action(Enum):
    """What to do: write a new post, write it anew, nothing, or note the new name of a known file."""

    WRITE = "new"
    REWRITE = "changed"
    KEEP = "unchanged"
    FOLLOW = "moved"


@dataclass(frozen=True, slots=True)
class Step:
    """One post of the folder, with what an earlier import left of it; all actions but WRITE have a trace."""

    post: SourcePost
    action: Action
    trace: Trace | None = None

    @property
    def writes(self) -> bool:
        """Does the post itself get written?"""
        return self.action in (Action.WRITE, Action.REWRITE)


class Planner:
    """Decides over the files of one tree; a known post is given to one file only."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._present = frozenset(map(tree.source, tree.paths))
        self._claimed: set[int] = set()

    def plan(self, found: Sequence[SourcePost], traces: Iterable[Trace]) -> list[Step | Refusal]:
        """A step or a refusal for each post, given the traces of all their names and digests."""
        known = {trace.source: trace for trace in traces}
        sources = [self._tree.source(post.path) for post in found]
        self._claimed.update(known[source].post_id for source in sources if source in known)
        named = zip(found, sources, strict=True)
        return [self._decide(post, known.get(source), known.values()) for post, source in named]

    def _decide(self, post: SourcePost, trace: Trace | None, traces: Iterable[Trace]) -> Step | Refusal:
        if trace is None:
            moved = self._moved(post, traces)
            return Step(post, Action.FOLLOW if moved else Action.WRITE, moved)
        if trace.is_deleted:
            return Refusal(post.path, 1, DELETED)
        if trace.digest == post.digest:
            return Step(post, Action.KEEP, trace)
        return Refusal(post.path, 1, EDITED) if trace.is_edited else Step(post, Action.REWRITE, trace)

    def _moved(self, post: SourcePost, traces: Iterable[Trace]) -> Trace | None:
        """The trace of this very file under a name it no longer has; in a renamed folder, that of the same path."""
        candidates = [
            trace
            for trace in traces
            if trace.digest == post.digest
            and post.may_have(trace.slug)
            and not (trace.is_deleted or trace.source in self._present or trace.post_id in self._claimed)
        ]
        best = min(candidates, key=lambda trace: (not trace.source.endswith(f"/{post.path}"), trace.slug), default=None)
        if best is not None:
            self._claimed.add(best.post_id)
        return best
