"""The folder of an import: which of its files are posts, and safe reading of files."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from blog.errors import FieldError, InvalidInput
from blog.import_export.markdown.visibility import Doubt, section_doubt

MAX_FILE_BYTES = 2_097_152
"""Size of a Markdown file: the text of a post, its front matter, and markup that the import converts."""
MAX_SOURCE_LENGTH = 500

_POST_SUFFIXES = frozenset({".md", ".markdown", ".mkd", ".mkdn", ".mkdown", ".mdown", ".text", ".rmd"})
_UNREAD_SUFFIXES = frozenset({".mdx", ".rst", ".org", ".adoc", ".asciidoc", ".textile", ".ipynb", ".qmd", ".wiki"})
_UNREAD_POST_SUFFIXES = frozenset({".html", ".htm", ".xhtml", ".txt"})
_EXCLUDED_FOLDERS = frozenset({"_site", "_includes", "_layouts", "_data", "_sass", "node_modules"})
# Documents of a repository. Imported only if they have front matter.
_REPOSITORY_DOCUMENTS = frozenset(
    {"readme", "license", "licence", "contributing", "changelog", "code_of_conduct", "security", "support"}
)
_INDEX_LANGUAGE = re.compile(r"_?index\.([a-z]{2,3}(?:[-_][A-Za-z]{2,8})?)")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A file that is not imported, and the reason. `str()` is the line that the operator sees."""

    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.path)}:{self.line}: {self.reason}"


class UnreadableFile(Exception):
    """A file of the folder cannot be read. The message is the reason."""


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """A scanned folder.

    - `paths`: the posts, relative to `root`: originals before translations, then by name.
    - `languages`: the languages that have an index page.
    - `rejections`: the files that are not imported.
    - `not_read`: the files of posts in formats that are not read, by suffix.
    - `is_obsidian`: whether the folder is an Obsidian vault or a part of one.
    - `ignored_keys`: the simplified names of keys that the operator has declared harmless.
    - `section_doubts`: the folders with an index page that hides their posts, and why it does.
    """

    root: Path
    paths: tuple[str, ...]
    languages: frozenset[str]
    rejections: tuple[Rejection, ...]
    not_read: Mapping[str, int]
    is_obsidian: bool
    ignored_keys: AbstractSet[str]
    section_doubts: Mapping[PurePosixPath, Doubt] = field(default_factory=dict)

    def source_name(self, path: str) -> str:
        """Return the name that identifies a file in later imports: the name of the folder and the path below it."""
        return f"{self.root.name}/{path}"

    def section_doubt(self, path: str) -> Doubt | None:
        """Return why a folder above the file hides it; None if none does."""
        return next(
            (self.section_doubts[parent] for parent in PurePosixPath(path).parents if parent in self.section_doubts), None
        )

    def find(self, path: str) -> Path | None:
        """Return the regular file at a path below the root, following links; None if it is missing or outside the root."""
        try:
            if not os.path.isfile(os.path.join(self.root, path)):  # most candidates: `resolve` takes ten times as long
                return None
            target = (self.root / path).resolve()
            return target if target.is_relative_to(self.root) else None
        except (OSError, ValueError, RuntimeError):
            return None

    def siblings(self, path: str) -> list[str]:
        """Return the sorted names in the folder of a file; none if the folder cannot be read."""
        try:
            return sorted(os.listdir(self.root / PurePosixPath(path).parent))
        except OSError:
            return []

    def read(self, path: str, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Return the content of a file. Raises UnreadableFile."""
        target = self.find(path)
        if target is None:
            raise UnreadableFile("not a regular file inside the folder")
        try:
            with target.open("rb") as file:
                data = file.read(max_bytes + 1)
        except OSError as error:
            raise UnreadableFile(f"cannot be read: {error.strerror}") from None
        if len(data) > max_bytes:
            raise UnreadableFile(f"larger than {max_bytes} bytes")
        return data


def printable(path: str) -> str:
    """Return a path that is safe to print: control characters and bytes that are not UTF-8 become escapes."""
    printable = path.encode("utf-8", "backslashreplace").decode()
    return _CONTROL_CHARACTER.sub(lambda match: match[0].encode("unicode_escape").decode(), printable)


def scan(folder: Path, ignored_keys: AbstractSet[str] = frozenset()) -> SourceFolder:
    """List the posts of a folder. Raises InvalidInput if it is not a readable folder."""
    root = folder.resolve()
    if not root.is_dir():
        raise InvalidInput([FieldError(("folder",), f"{printable(str(folder))} is not a readable folder", "folder")])
    rejections: list[Rejection] = []
    not_read: Counter[str] = Counter()
    paths = list(_walk(root, rejections, not_read))
    names = (PurePosixPath(path).stem for path in paths)
    languages = frozenset(match[1] for name in names if (match := _INDEX_LANGUAGE.fullmatch(name)))
    posts = [path for path in paths if not PurePosixPath(path).name.startswith("_index.")]
    posts.sort(key=lambda path: (language_suffix(path, languages) is not None, path))
    is_obsidian = any((parent / ".obsidian").is_dir() for parent in (root, *root.parents))
    unread = dict(sorted(not_read.items()))
    source = SourceFolder(root, tuple(posts), languages, tuple(rejections), unread, is_obsidian, ignored_keys)
    doubts = {PurePosixPath(path).parent: _read_section(source, path) for path in set(paths) - set(posts)}
    return replace(source, section_doubts={section: doubt for section, doubt in doubts.items() if doubt is not None})


def _read_section(folder: SourceFolder, index: str) -> Doubt | None:
    try:
        text = folder.read(index).decode("utf-8-sig", "replace").replace("\r\n", "\n")
    except UnreadableFile:
        return Doubt("an unreadable section page")
    return section_doubt(text, folder.ignored_keys)


def language_suffix(path: str, languages: frozenset[str]) -> str | None:
    """Return the `fr` of `post.fr.md` if the folder has an index page in that language; else the dot is part of the name."""
    _, dot, suffix = PurePosixPath(path).stem.rpartition(".")
    return suffix if dot and suffix in languages else None


def _walk(root: Path, rejections: list[Rejection], not_read: Counter[str]) -> Iterator[str]:
    def reject_folder(error: OSError) -> None:
        path = os.path.relpath(str(error.filename), root)
        rejections.append(Rejection(path, 1, f"the folder cannot be read: {error.strerror}"))

    for parent, folders, files in os.walk(root, onerror=reject_folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _EXCLUDED_FOLDERS)
        for name in sorted(folders + files):
            path = Path(parent, name)
            relative = path.relative_to(root).as_posix()
            is_candidate = name not in folders and _may_be_post(path)
            if name not in folders and _is_unread_post(path, relative):
                not_read[path.suffix.lower()] += 1
            if reason := _rejection_reason(root, path, relative, is_candidate):
                rejections.append(Rejection(relative, 1, reason))
                if name in folders:
                    folders.remove(name)
            elif is_candidate and not path.is_symlink():
                yield relative


def _may_be_post(path: Path) -> bool:
    if path.name.startswith(".") or path.suffix.lower() not in _POST_SUFFIXES:
        return False
    return path.stem.lower() not in _REPOSITORY_DOCUMENTS or _has_front_matter(path)


def _is_unread_post(path: Path, relative: str) -> bool:
    """Return whether a file is a text in a format that is not read. HTML files are templates except among posts."""
    suffix, folders = path.suffix.lower(), PurePosixPath(relative).parts[:-1]
    if path.name.startswith(".") or path.stem.lower() in _REPOSITORY_DOCUMENTS:
        return False
    if suffix in _UNREAD_POST_SUFFIXES:
        return "_posts" in folders or "_drafts" in folders or ("content" in folders and _has_front_matter(path))
    return suffix in _UNREAD_SUFFIXES


def _has_front_matter(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return True  # rejected later, with the reason
    try:
        with path.open("rb") as file:
            return file.read(6).removeprefix(b"\xef\xbb\xbf")[:3] in (b"---", b"+++")
    except OSError:
        return True


def _rejection_reason(root: Path, path: Path, relative: str, is_candidate: bool) -> str | None:
    """Return why a folder or file must not be read. A link to a target inside the root is fine: the walk finds the target."""
    if path.is_symlink() and (is_candidate or path.is_dir()):
        return None if _resolves_inside(root, path) else "a link to a target outside the folder, or to a missing file"
    if not is_candidate and not path.is_dir():
        return None
    if _CONTROL_CHARACTER.search(relative) or not _is_unicode(relative):
        return "the name contains control characters or is not UTF-8: rename it"
    if not is_candidate:
        return None
    if not path.is_file():
        return "not a regular file"
    if len(root.name) + 1 + len(relative) > MAX_SOURCE_LENGTH:
        return f"the path is longer than {MAX_SOURCE_LENGTH} characters"
    if path.stat().st_size > MAX_FILE_BYTES:
        return f"larger than {MAX_FILE_BYTES} bytes"
    return None


def _is_unicode(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _resolves_inside(root: Path, path: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False
