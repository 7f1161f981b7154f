"""Front matter of Markdown files: YAML between `---` lines (or until `...`), TOML between `+++` lines, or none."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import yaml

MAX_LENGTH = 65_536
"""The maximum length of front matter, in characters: parsing YAML takes a second per 100,000."""

_YAML = re.compile(r"---[ \t]*\n(?P<inside>(?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_TOML = re.compile(r"\+\+\+[ \t]*\n(?P<inside>(?:.*\n)*?)\+\+\+[ \t]*(?:\n|\Z)")
_UNCLOSED = re.compile(r"(?:---|\+\+\+)[ \t]*\n\s*[\w-]+[ \t]*[:=]")
_TOML_LINE = re.compile(r"\(at (?:line (\d+)|end of document)")


class FrontMatterKind(StrEnum):
    """The language of the front matter."""

    YAML = "yaml"
    TOML = "toml"
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

    def line_number(self, key: str) -> int:
        """Return the line of the file with a top-level key; 1 if it cannot be found."""
        match = re.search(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*[:=]", self._block, re.MULTILINE)
        return 1 if match is None else 2 + self._block.count("\n", 0, match.start())


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
    if match := _YAML.match(text):
        return _build_document(FrontMatterKind.YAML, match, text, _read_yaml)
    if match := _TOML.match(text):
        return _build_document(FrontMatterKind.TOML, match, text, _read_toml)
    if _UNCLOSED.match(text):
        raise FrontMatterError(1, f"the front matter has no end: add a line {text[:3]} after it")
    return Document(FrontMatterKind.NONE, {}, text)


def _build_document(kind: FrontMatterKind, match: re.Match[str], text: str, read: Callable[[str], Any]) -> Document:
    block = match["inside"]
    if len(block) > MAX_LENGTH:
        raise FrontMatterError(1, f"the front matter is longer than {MAX_LENGTH} characters")
    values = read(block)
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise FrontMatterError(2, "the front matter must be lines of `name: value`")
    return Document(kind, {str(key): value for key, value in values.items()}, text[match.end() :], block)


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
