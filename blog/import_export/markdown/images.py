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
from blog.import_export.markdown.folder import Tree, Unreadable, shown

_DESTINATION = r"<[^<>\n]*>|[^\s()<>]+(?:\([^\s()]*\)[^\s()<>]*)*"
_ADDRESS = code_spans.outside(
    rf"(?P<image>!\[(?:[^\[\]\\]|\\.|\[[^\[\]]*\]){{0,2000}}\]\(\s*)(?P<shown>{_DESTINATION})"
    rf"|(?P<link>\]\(\s*)(?P<linked>{_DESTINATION})"
    rf"|(?P<definition>^[ ]{{0,3}}\[[^\[\]\n]{{1,999}}\]:[ \t]*)(?P<defined>{_DESTINATION})"
    r"|(?P<tag><(?:img|a)\b[^<>]*?\s(?:src|href)\s*=\s*)(?P<quoted>\"[^\"<>]*\"|'[^'<>]*')"
)
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg", ".bmp", ".tif", ".tiff"})
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|#|\?|@/")
# Where engines put what a root-relative address names.
_STATIC_FOLDERS = ("", "static", "public", "assets")


@dataclass(slots=True)
class Images:
    """The images of one tree. `keep` takes their bytes and gives the name of the kept file; raises InvalidInput.

    `address` is the path under which the blog serves kept images, with its last slash.
    """

    tree: Tree
    keep: Callable[[bytes], str]
    address: str
    _names: dict[str, str | None] = field(default_factory=dict)
    _faults: dict[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """How many files of the tree were kept."""
        return sum(name is not None for name in self._names.values())

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

        return _ADDRESS.sub(replace, body), tuple(dict.fromkeys(warnings))

    def _resolve(self, path: str, address: str, warnings: list[str]) -> str | None:
        if _ELSEWHERE.match(address) or "{{" in address or not address:
            return None
        plain = unquote(re.split(r"[?#]", address, maxsplit=1)[0])
        if PurePosixPath(plain).suffix.lower() not in _SUFFIXES:
            return None
        file = self._file(path, plain)
        if file is None:
            warnings.append(f"image {shown(address)} is not in the folder: its address is left as it was")
            return None
        if (name := self._name(file)) is None:
            warnings.append(f"image {shown(address)}: {self._faults[file]}; its address is left as it was")
            return None
        return self.address + name

    def _file(self, path: str, address: str) -> str | None:
        """The file of the tree that an address in a post means: beside the post, else below a folder above it."""
        folder = PurePosixPath(path).parent
        beside = [] if address.startswith("/") else [folder / address]
        roots = [parent / static for parent in (folder, *folder.parents) for static in _STATIC_FOLDERS]
        above = [root / address.lstrip("/") for root in roots]
        for candidate in (*beside, *above):
            if (found := self.tree.find(str(candidate))) is not None:
                return found.relative_to(self.tree.root).as_posix()
        return None

    def _name(self, file: str) -> str | None:
        if file not in self._names:
            try:
                self._names[file] = self.keep(self.tree.read(file, image_processing.LARGEST_BYTES))
            except (Unreadable, InvalidInput) as fault:
                self._names[file], self._faults[file] = None, str(fault)
        return self._names[file]
