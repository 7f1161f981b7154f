"""Import of the image files of a folder: store them, and rewrite their URLs in the posts."""

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
# The folders in which engines look for root-relative URLs.
_STATIC_FOLDERS = ("", "static", "public", "assets")


@dataclass(slots=True)
class ImageImporter:
    """Stores the images of one folder.

    - `store`: stores the bytes of an image with this file name, and returns the name of the stored file. Raises InvalidInput.
    - `base_url`: the URL prefix of stored images, with its last slash.
    """

    folder: SourceFolder
    store: Callable[[bytes, str], str]
    base_url: str
    _stored_names: dict[str, str | None] = field(default_factory=dict)
    _errors: dict[str, str] = field(default_factory=dict)

    @property
    def stored_count(self) -> int:
        """The number of stored files."""
        return sum(name is not None for name in self._stored_names.values())

    def rewrite(self, path: str, body: str) -> tuple[str, tuple[str, ...]]:
        """Return the body of the post at `path` with the URLs of stored images, and a warning for each other image."""
        warnings: list[str] = []

        def replace(match: re.Match[str]) -> str:
            kind = match.lastgroup
            if code_spans.is_code(match) or kind is None:
                return match[0]
            written = match[kind]
            url = written[1:-1] if written[:1] in "<\"'" else written
            url = html.unescape(url) if kind == "quoted" else url
            is_shown = kind == "shown" or match[0].startswith("<img")
            new = self._resolve(path, url, warnings if is_shown else [])
            if new is None:
                return match[0]
            return match[0].removesuffix(written) + (f"{written[0]}{new}{written[0]}" if kind == "quoted" else new)

        return _URL.sub(replace, body), tuple(dict.fromkeys(warnings))

    def store_lead_image(self, path: str, address: str) -> tuple[str | None, tuple[str, ...]]:
        """Return the URL of the image above the post at `path`, and a warning if it cannot be stored.

        The URL of an image on another site stays as it is.
        """
        if re.match("https?://", address, re.IGNORECASE):
            return address, ()
        warnings: list[str] = []
        return self._resolve(path, address, warnings), tuple(warnings)

    def _resolve(self, path: str, url: str, warnings: list[str]) -> str | None:
        if _EXTERNAL.match(url) or "{{" in url or not url:
            return None
        url_path = unquote(re.split(r"[?#]", url, maxsplit=1)[0])
        if PurePosixPath(url_path).suffix.lower() not in _IMAGE_SUFFIXES:
            return None
        file = self._find_file(path, url_path)
        if file is None:
            warnings.append(f"image {printable(url)} is not in the folder: URL left unchanged")
            return None
        if (name := self._store_once(file)) is None:
            warnings.append(f"image {printable(url)}: {self._errors[file]}: URL left unchanged")
            return None
        return self.base_url + name

    def _find_file(self, path: str, url_path: str) -> str | None:
        """Return the file that a URL in a post refers to: relative to the post, else to one of the folders above it."""
        folder = PurePosixPath(path).parent
        relative = [] if url_path.startswith("/") else [folder / url_path]
        roots = [parent / static for parent in (folder, *folder.parents) for static in _STATIC_FOLDERS]
        for candidate in (*relative, *(root / url_path.lstrip("/") for root in roots)):
            if (file := self.folder.find(str(candidate))) is not None:
                return file.relative_to(self.folder.root).as_posix()
        return None

    def _store_once(self, file: str) -> str | None:
        if file not in self._stored_names:
            try:
                self._stored_names[file] = self.store(self.folder.read(file, image_processing.MAX_IMPORT_BYTES), file)
            except (UnreadableFile, InvalidInput) as error:
                self._stored_names[file], self._errors[file] = None, str(error)
        return self._stored_names[file]
