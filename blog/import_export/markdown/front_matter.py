"""Front matter of Markdown files: YAML, TOML, JSON, lines of `Name: value`, or none.

A file with metadata in another form is rejected: the metadata may say that the text is a draft.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import yaml

MAX_LENGTH = 65_536
"""The maximum length of front matter, in characters: parsing YAML takes a second per 100,000."""

_NAMES = (
    "authors?|categor(?:y|ies)|created|date|description|draft|hidden|lang|layout|permalink|private|pubdate|publish(?:date|ed)?"
    "|slug|state|status|summary|tags?|template|title|type|unlisted|visibility"
)
_END = r"[ \t]*(?:\n|\Z)"
_YAML = re.compile(rf"(?P<fence>-{{3,}})[ \t]*\n(?P<inside>(?:.*\n)*?)(?:(?P=fence)|\.\.\.){_END}")
_TOML = re.compile(rf"\+\+\+[ \t]*\n(?P<inside>(?:.*\n)*?)\+\+\+{_END}")
_HEXO_JSON = re.compile(rf";;;[ \t]*\n(?P<inside>(?:.*\n)*?);;;{_END}")
_NAMED_LANGUAGE = re.compile(
    rf"---[ \t]*(?P<language>yaml|yml|toml|json|js|javascript|coffee|cson)[ \t]*\n(?P<inside>(?:.*\n)*?)---{_END}", re.IGNORECASE
)
# Hexo does not need the first `---`. Pelican and MultiMarkdown have names at the start of lines, until an empty line.
_HEXO_YAML = re.compile(rf"(?P<inside>[A-Za-z][\w-]*:(?:[^\n]*\S[^\n]*\n)+?)-{{3,}}{_END}")
_HEADERS = re.compile(r"(?P<inside>(?:[A-Za-z][\w -]*:.*(?:\n|\Z)(?:[ \t]+\S.*(?:\n|\Z))*)+)(?:[ \t]*\n|\Z)")
_HEADER = re.compile(r"^([A-Za-z][\w -]*):(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
_KNOWN_NAME = re.compile(rf"^(?:{_NAMES})[ \t]*:", re.IGNORECASE | re.MULTILINE)
_UNCLOSED = re.compile(r"(?:---|\+\+\+)[ \t]*\n\s*[\w-]+[ \t]*[:=]")
_UNKNOWN_FORM = re.compile(
    rf"[ \t]*(?:[-+;=]{{2,}}[ \t]*\w*[ \t]*\n\s*[\"']?[\w-]+[\"']?[ \t]*[:=]|\{{\s*[\"']|[\"']?(?:{_NAMES})[\"']?[ \t]*[:=])",
    re.IGNORECASE,
)
_LEADING_BLANK_LINES = re.compile(r"\A(?:[ \t]*\n)+")
_TOML_LINE = re.compile(r"\(at (?:line (\d+)|end of document)")


class FrontMatterKind(StrEnum):
    """The language of the front matter."""

    YAML = "yaml"
    TOML = "toml"
    JSON = "json"
    HEADERS = "headers"
    NONE = "none"


class FrontMatterError(Exception):
    """Invalid front matter: the `line` of the file, counted from 1, and the `reason`."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"{line}: {reason}")
        self.line, self.reason = line, reason


@dataclass(frozen=True, slots=True)
class Document:
    """A file split into front matter and body.

    YAML scalars in `values` are text as written (`3.10`, `no`, `2024-01-31`); an empty one is None.
    """

    kind: FrontMatterKind
    values: Mapping[str, Any]
    body: str
    _block: str = field(default="", repr=False)
    _first_line: int = 2

    def line_number(self, key: str) -> int:
        """Return the line of the file with a top-level key; 1 if it cannot be found."""
        match = re.search(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*[:=]", self._block, re.MULTILINE | re.IGNORECASE)
        return 1 if match is None else self._first_line + self._block.count("\n", 0, match.start())


class _StringLoader(yaml.SafeLoader):
    """A YAML loader without implicit types except null: the tag `2.10` is not 2.1, and the title `No` is not False."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Ignore merge keys: nested ones grow exponentially, and front matter has no use for them."""


_StringLoader.yaml_implicit_resolvers = {
    first: null_resolvers
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (null_resolvers := [pair for pair in resolvers if pair[0] == "tag:yaml.org,2002:null"])
}


def split(text: str) -> Document:
    """Split a file into front matter and body. Lines must end in LF. Raises FrontMatterError."""
    start = _LEADING_BLANK_LINES.sub("", text)
    skipped = text.count("\n") - start.count("\n")
    if match := _YAML.match(start):
        return _build_document(FrontMatterKind.YAML, match, start, _read_yaml, skipped + 2)
    if match := _TOML.match(start):
        return _build_document(FrontMatterKind.TOML, match, start, _read_toml, skipped + 2)
    if match := _HEXO_JSON.match(start):
        return _build_document(FrontMatterKind.JSON, match, start, _read_hexo_json, skipped + 2)
    if match := _NAMED_LANGUAGE.match(start):
        kind, read = _named_language(match["language"].lower(), skipped + 1)
        return _build_document(kind, match, start, read, skipped + 2)
    if (match := _HEADERS.match(start)) and _KNOWN_NAME.search(match["inside"]):
        return _build_document(FrontMatterKind.HEADERS, match, start, _read_headers, skipped + 1)
    if (match := _HEXO_YAML.match(start)) and _KNOWN_NAME.search(match["inside"]):
        return _build_document(FrontMatterKind.YAML, match, start, _read_yaml, skipped + 1)
    if (document := _split_json(start, skipped + 1)) is not None:
        return document
    if _UNCLOSED.match(start):
        raise FrontMatterError(skipped + 1, f"the front matter has no end: add a line {start[:3]} after it")
    if _UNKNOWN_FORM.match(start):
        raise FrontMatterError(skipped + 1, "this looks like front matter, but cannot be read: write YAML between two lines ---")
    return Document(FrontMatterKind.NONE, {}, text)


def _build_document(
    kind: FrontMatterKind, match: re.Match[str], text: str, read: Callable[[str], Any], first_line: int
) -> Document:
    """Read the block of a match. `first_line`: the line of the file with which the block begins; readers assume line 2."""
    block = match["inside"]
    if len(block) > MAX_LENGTH:
        raise FrontMatterError(1, f"the front matter is longer than {MAX_LENGTH} characters")
    try:
        values = read(block)
        if values is None:
            values = {}
        if not isinstance(values, dict):
            raise FrontMatterError(2, "the front matter must be lines of `name: value`")
    except FrontMatterError as error:
        raise FrontMatterError(error.line - 2 + first_line, error.reason) from None
    return Document(kind, {str(key): value for key, value in values.items()}, text[match.end() :], block, first_line)


def _named_language(language: str, line: int) -> tuple[FrontMatterKind, Callable[[str], Any]]:
    """Return how to read a block that begins with a line such as `---json`."""
    match language:
        case "yaml" | "yml":
            return FrontMatterKind.YAML, _read_yaml
        case "toml":
            return FrontMatterKind.TOML, _read_toml
        case "json":
            return FrontMatterKind.JSON, _read_json
        case _:
            raise FrontMatterError(line, f"front matter in {language} is not read: write YAML between two lines ---")


def _split_json(text: str, first_line: int) -> Document | None:
    """Return the document if the text begins with a JSON object, as front matter of Hugo may do."""
    if not re.match(r"\{\s*\"", text):
        return None
    try:
        values, end = json.JSONDecoder().raw_decode(text[: MAX_LENGTH + 1])
    except (ValueError, RecursionError):
        raise FrontMatterError(first_line, "JSON: the object cannot be read, or is too long") from None
    body = text[end:].removeprefix("\n")
    return Document(FrontMatterKind.JSON, values, body, text[:end], first_line)


def _read_json(block: str) -> Any:
    try:
        return json.loads(block)
    except json.JSONDecodeError as error:
        raise FrontMatterError(1 + error.lineno, f"JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise FrontMatterError(2, "JSON: a number is out of range, or the object is nested too deeply") from None


def _read_hexo_json(block: str) -> Any:
    return _read_json(f"{{{block}}}")


def _read_headers(block: str) -> Any:
    """Return the values by name, in lower case, as Pelican and MultiMarkdown compare names. They separate items by commas."""
    values: dict[str, Any] = {}
    for name, written in _HEADER.findall(block):
        key, text = name.strip().lower(), " ".join(written.split())
        separator = ";" if ";" in text else ","
        is_list = key in ("tags", "keywords", "author", "authors")
        values[key] = [item.strip() for item in text.split(separator) if item.strip()] if is_list else text
    return values


def _read_yaml(block: str) -> Any:
    try:
        return _load_yaml(block)
    except FrontMatterError:
        stripped = "\n".join(line.rstrip() for line in block.split("\n"))
        if stripped == block:
            raise
        # Tabs at the end of a line are invalid YAML, but blog engines that use libyaml accept them.
        return _load_yaml(stripped)


def _load_yaml(block: str) -> Any:
    try:
        return yaml.load(block, _StringLoader)  # noqa: S506 (this is a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # Not `mark.line`: YAML treats more characters as line ends than editors do.
        line = 2 + (block.count("\n", 0, mark.index) if mark else 0)
        raise FrontMatterError(line, f"YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = 2 + block.count("\n", 0, error.position)
        raise FrontMatterError(line, f"YAML: the character U+{error.character:04X} is not allowed") from None
    except RecursionError:
        raise FrontMatterError(2, "YAML: nested too deeply") from None
    # Explicit types such as `!!int x` raise whatever the constructor's arithmetic raises.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
        raise FrontMatterError(2, f"YAML: a value does not match its explicit type ({type(error).__name__})") from None


def _read_toml(block: str) -> Any:
    try:
        return tomllib.loads(block)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        match = _TOML_LINE.search(message)
        line = int(match[1]) if match and match[1] else block.count("\n")
        raise FrontMatterError(1 + line, f"TOML: {message.split(' (at ')[0]}") from None
    except RecursionError:
        raise FrontMatterError(2, "TOML: nested too deeply") from None
    except (ValueError, ArithmeticError) as error:
        raise FrontMatterError(2, f"TOML: a value is out of range ({type(error).__name__})") from None
