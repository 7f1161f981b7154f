"""Images that lie beside the posts: kept with the blog's own, and their addresses in the text rewritten."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import unquote

from blog.domain.media import image_processing
from blog.errors import InvalidInput
from blog.import_export.markdown import code_spans
from blog.import_export.markdown.folder import SourceFolder, UnreadableFile, printable

_DESTINATION = r"<[^<>\n]*>|[^\s()<>]+(?:\([^\s()]*\)[^\s()<>]*)*"
_URL = code_spans.compile_outside_code(
    rf"(?P<image>!\[(?:[^\[\]\\]|\\.|\[[^\[\]]*\]){{0,2000}}\]\(\s*)(?P<shown>{_DESTINATION})"
    rf"|(?P<link>\]\(\s*)(?P<linked>{_DESTINATION})"
    rf"|(?P<definition>^[ ]{{0,3}}\[[^\[\]\n]{{1,999}}\]:[ \t]*)(?P<defined>{_DESTINATION})"
    r"|(?P<tag><(?:img|a)\b[^<>]*?\s(?:src|href)\s*=\s*)(?P<quoted>\"[^\"<>]*\"|'[^'<>]*')"
)
_IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg", ".bmp", ".tif", ".tiff"})
_EXTERNAL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|#|\?|@/")
# Where engines put what a root-relative address names.
_STATIC_FOLDERS = ("", "static", "public", "assets")


@dataclass(slots=True)
class ImageImporter:
    """The images of one tree. `keep` takes their bytes and gives the name of the kept file; raises InvalidInput.

    `address` is the path under which the blog serves kept images, with its last slash.
    """

    folder: SourceFolder
    store: Callable[[bytes], str]
    base_url: str
    _stored_names: dict[str, str | None] = field(default_factory=dict)
    _errors: dict[str, str] = field(default_factory=dict)

    @property
    def stored_count(self) -> int:
        """How many files of the tree were kept."""
        return sum(name is not None for name in self._stored_names.values())

    def rewrite(self, path: str, body: str) -> tuple[str, tuple[str, ...]]:
        """The body of the post at `path` with the addresses of kept images, and a warning for each that is not kept."""
        warnings: list[str] = []

        def replace(match: re.Match[str]) -> str:
            kind = match.lastgroup
            if code_spans.is_code(match) or kind is None:
                return match[0]
            written = match[kind]
            address = written[1:-1] if written[:1] in "<\"'" else written
            address = html.unescape(address) if kind == "quoted" else address
            is_shown = kind == "shown" or match[0].startswith("<img")
            new = self._resolve(path, address, warnings if is_shown else [])
            if new is None:
                return match[0]
            return match[0].removesuffix(written) + (f"{written[0]}{new}{written[0]}" if kind == "quoted" else new)

        return _URL.sub(replace, body), tuple(dict.fromkeys(warnings))

    def _resolve(self, path: str, address: str, warnings: list[str]) -> str | None:
        if _EXTERNAL.match(address) or "{{" in address or not address:
            return None
        plain = unquote(re.split(r"[?#]", address, maxsplit=1)[0])
        if PurePosixPath(plain).suffix.lower() not in _IMAGE_SUFFIXES:
            return None
        file = self._find_file(path, plain)
        if file is None:
            warnings.append(f"image {printable(address)} is not in the folder: its address is left as it was")
            return None
        if (name := self._store_once(file)) is None:
            warnings.append(f"image {printable(address)}: {self._errors[file]}; its address is left as it was")
            return None
        return self.base_url + name

    def _find_file(self, path: str, address: str) -> str | None:
        """The file of the tree that an address in a post means: beside the post, else below a folder above it."""
        folder = PurePosixPath(path).parent
        beside = [] if address.startswith("/") else [folder / address]
        roots = [parent / static for parent in (folder, *folder.parents) for static in _STATIC_FOLDERS]
        above = [root / address.lstrip("/") for root in roots]
        for candidate in (*beside, *above):
            if (found := self.folder.find(str(candidate))) is not None:
                return found.relative_to(self.folder.root).as_posix()
        return None

    def _store_once(self, file: str) -> str | None:
        if file not in self._stored_names:
            try:
                self._stored_names[file] = self.store(self.folder.read(file, image_processing.MAX_IMPORT_BYTES))
            except (UnreadableFile, InvalidInput) as fault:
                self._stored_names[file], self._errors[file] = None, str(fault)
        return self._stored_names[file]
