"""Parsing of a Markdown file into a post, whichever engine the file was written for."""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from blog.domain.posts.post_content import POST_FIELDS
from blog.domain.posts.slugs import MAX_SLUG_LENGTH
from blog.import_export.markdown import dates, front_matter, slugs
from blog.import_export.markdown.code_spans import compile_outside_code, is_code
from blog.import_export.markdown.folder import Rejection, SourceFolder, UnreadableFile, language_suffix
from blog.import_export.markdown.front_matter import Document, FrontMatterError, FrontMatterKind
from blog.import_export.markdown.front_matter_values import FrontMatterValues, LeadImage
from blog.import_export.markdown.visibility import DateSource, Doubt, read_visibility
from blog.schemas.fields import MAX_CONTENT_BYTES, MAX_TITLE_LENGTH
from blog.text import language_tags
from blog.text.markup import MAX_MARKUP, count_markup

TOO_LONG = f"the text has more than {MAX_CONTENT_BYTES} bytes, the limit of a post: split it"
"""The reason for rejecting a post with a body over the limit."""
TOO_COMPLEX = f"the text has more than {MAX_MARKUP} line ends and special characters, the limit of a post: split it"
"""The reason for rejecting a post with too much markup."""

# To the end of the text if it is not closed, as in Obsidian.
_OBSIDIAN_COMMENT = compile_outside_code(r"%%(?s:.*?)(?:%%|\Z)")
_BUNDLED_IMAGE = re.compile(r"(?:feature|cover)[\w-]*\.(?:avif|gif|jpe?g|png|webp)", re.IGNORECASE)
_CONTROL_CHARACTER = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class SourcePost:
    """A parsed file.

    - `digest`: the SHA-256 of the file and of the keys in `doubts`, in hex.
    - `date`: an aware UTC datetime.
    - `doubts`: why the post is a draft although nothing calls it one.
    - `visible_from`: the date, or a later time before which the old site does not show the post.
    - `slug`, `aliases`, `permalink`: safe slugs, in the spelling of the file.
    - `authors`, `tags`, `categories`: names as written, in order.
    - `fields`: the fields of `PostContent` that have keys in front matter and are present, by name.
    - `lead_image`: the image above the post.
    - `body` and the texts in `fields`: Markdown with the shortcodes of the engine.
    """

    path: str
    digest: str
    kind: FrontMatterKind
    title: str
    date: dt.datetime | None
    date_source: DateSource | None
    slug: str
    authors: tuple[str, ...]
    tags: tuple[str, ...]
    categories: tuple[str, ...]
    draft: bool
    doubts: tuple[Doubt, ...]
    visible_from: dt.datetime | None
    aliases: tuple[str, ...]
    permalink: str | None
    fields: Mapping[str, Any]
    lead_image: LeadImage | None
    language: str | None
    body: str
    warnings: tuple[str, ...]

    @property
    def old_slugs(self) -> tuple[str, ...]:
        """The slugs of the old URLs of the post."""
        known = (*self.aliases, self.permalink)
        return tuple(dict.fromkeys(slug for slug in known if slug and slug != self.slug))

    @property
    def slug_candidates(self) -> list[str]:
        """The slug, then the slug with the language, in case another post has the first."""
        if self.language is None:
            return [self.slug]
        return [self.slug, f"{self.slug[: MAX_SLUG_LENGTH - 1 - len(self.language)]}-{self.language.lower()}"]

    def accepts_slug(self, slug: str) -> bool:
        """Return whether an import may have assigned this slug: a candidate, or a candidate with a number."""
        stem = self.slug_candidates[-1][: MAX_SLUG_LENGTH - 8]
        return slug in self.slug_candidates or re.fullmatch(rf"{re.escape(stem)}-\d+", slug) is not None


def excess(body: str) -> str | None:
    """Return the reason why a post cannot have this text, or None."""
    if len(body.encode()) > MAX_CONTENT_BYTES:
        return TOO_LONG
    return TOO_COMPLEX if count_markup(body) > MAX_MARKUP else None


def read_post(folder: SourceFolder, path: str) -> SourcePost | Rejection:
    """Read and parse one file of the folder."""
    try:
        data = folder.read(path)
        text = _decode(data)
        document = front_matter.split(text)
        if reason := excess(document.body):
            raise FrontMatterError(1, reason)
        return _parse_post(folder, path, data, document)
    except UnreadableFile as error:
        return Rejection(path, 1, str(error))
    except FrontMatterError as error:
        return Rejection(path, error.line, error.reason)


def _decode(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise FrontMatterError(line, "not UTF-8: convert the file") from None
    if "\0" in text:
        raise FrontMatterError(1 + text.count("\n", 0, text.index("\0")), "contains a NUL character: not a text file")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parse_post(folder: SourceFolder, path: str, data: bytes, document: Document) -> SourcePost:
    values = FrontMatterValues(document)
    language = language_suffix(path, folder.languages)
    name_date, name = dates.split_dated_name(slugs.post_stem(path, language))
    path_date, path_slug = dates.split_dated_path(values.text("path"))
    written_slug = values.text("slug") or path_slug or name
    visibility = read_visibility(
        values, path, path_date, name_date, section=folder.section_doubt(path), ignored_keys=folder.ignored_keys
    )
    body, warnings = _strip_control_characters(document.body)
    if folder.is_obsidian:
        body = _OBSIDIAN_COMMENT.sub(lambda match: match[0] if is_code(match) else "", body)
    permalink = values.text("path") or values.text("permalink")
    return SourcePost(
        path=path,
        digest=_digest(data, visibility.doubts),
        kind=document.kind,
        title=values.line("title") or slugs.title_from_slug(written_slug)[:MAX_TITLE_LENGTH],
        date=visibility.date,
        date_source=visibility.date_source,
        slug=slugs.safe_slug(written_slug),
        authors=values.names("authors", "author"),
        tags=values.names("tags", "tag", inside="taxonomies"),
        categories=values.names("categories", "category", inside="taxonomies"),
        draft=visibility.draft,
        doubts=visibility.doubts,
        visible_from=visibility.visible_from,
        aliases=tuple(slug for alias in values.names("aliases", "redirect_from") if (slug := slugs.slug_from_url(alias))),
        # A permalink without a slash is a style (`pretty`) or a switch (`false`). Zola's `path` is always a path.
        permalink=slugs.slug_from_url(permalink) if "/" in permalink or "path" in document.values else None,
        fields={field.name: value for field in POST_FIELDS if (value := values.post_field(field)) is not None},
        lead_image=values.lead_image() or _bundled_image(folder, path),
        language=language_tags.normalise(values.text("lang") or values.text("language") or language or ""),
        body=body,
        warnings=(*map(str, visibility.doubts), *warnings),
    )


def _bundled_image(folder: SourceFolder, path: str) -> LeadImage | None:
    """Return the image of a Hugo page bundle: the first file named `feature…` or `cover…`."""
    if PurePosixPath(path).stem.partition(".")[0] != "index":
        return None
    name = next((name for name in folder.siblings(path) if _BUNDLED_IMAGE.fullmatch(name)), None)
    return LeadImage(name, "", "") if name else None


def _digest(data: bytes, doubts: Iterable[Doubt]) -> str:
    """Return a digest that changes with the file, and when a key is no longer a doubt: the post must be imported again."""
    keys = (b"\0" + doubt.cause.encode() for doubt in doubts if doubt.is_key)
    return hashlib.sha256(data + b"".join(keys)).hexdigest()


def _strip_control_characters(body: str) -> tuple[str, tuple[str, ...]]:
    cleaned, count = _CONTROL_CHARACTER.subn(lambda match: "\n" if match[0] in "\x0b\x0c\x85" else "", body)
    return cleaned, (f"{count} control characters were removed from the text",) if count else ()
