"""Counts of an import."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from blog.import_export.markdown.source import SourcePost
from blog.import_export.markdown.visibility import DateSource


@dataclass(frozen=True, slots=True)
class ImportTotals:
    """Counts of the posts that are in the blog after an import. A second import gives the same counts.

    - `authors`, `tags`, `categories`: distinct names, compared exactly.
    - `*_assignments`: one for each author, tag or category of each post.
    - `unclear_drafts`: drafts that nothing calls a draft; `draft_causes`: their number by key or other reason.
    - `unchanged`: posts that were imported before and equal their files.
    - `refused`: files that were not imported.
    - `not_read`: files of posts in formats that are not read, by suffix.
    """

    posts: int
    authors: int
    author_assignments: int
    tags: int
    tag_assignments: int
    categories: int
    category_assignments: int
    drafts: int
    unclear_drafts: int
    draft_causes: Mapping[str, int]
    dates_from_file_names: int
    undated: int
    images: int
    unchanged: int
    refused: int
    not_read: Mapping[str, int]


@dataclass(slots=True)
class ImportCounter:
    """Counts posts while they are imported."""

    unchanged: int = 0
    _draft_causes: Counter[str] = field(default_factory=Counter)
    _counts: Counter[str] = field(default_factory=Counter)
    _names: dict[str, set[str]] = field(default_factory=lambda: {"authors": set(), "tags": set(), "categories": set()})

    def add(self, post: SourcePost) -> None:
        """Count a post that is in the blog."""
        self._counts["posts"] += 1
        self._counts["drafts"] += post.draft
        self._counts["unclear_drafts"] += bool(post.doubts)
        self._draft_causes.update(doubt.cause for doubt in post.doubts)
        self._counts["undated"] += post.date is None
        self._counts["from_file_names"] += post.date_source is DateSource.FILE_NAME
        for kind, names in (("authors", post.authors), ("tags", post.tags), ("categories", post.categories)):
            self._counts[kind] += len(names)
            self._names[kind].update(names)

    def totals(self, *, images: int, refused: int, not_read: Mapping[str, int]) -> ImportTotals:
        """Return the totals, with the number of stored images, of refused files and of files in other formats."""
        return ImportTotals(
            posts=self._counts["posts"],
            authors=len(self._names["authors"]),
            author_assignments=self._counts["authors"],
            tags=len(self._names["tags"]),
            tag_assignments=self._counts["tags"],
            categories=len(self._names["categories"]),
            category_assignments=self._counts["categories"],
            drafts=self._counts["drafts"],
            unclear_drafts=self._counts["unclear_drafts"],
            draft_causes=dict(self._draft_causes.most_common()),
            dates_from_file_names=self._counts["from_file_names"],
            undated=self._counts["undated"],
            images=images,
            unchanged=self.unchanged,
            refused=refused,
            not_read=not_read,
        )
