"""The front matter of a Markdown file: YAML between `---` lines (or until `...`), TOML between `+++` lines, or none."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import yaml

MAX_LENGTH = 65_536
"""The most characters that front matter may have: YAML takes a second for each 100,000."""

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
    """The front matter cannot be read or used: `line` of the file, counted from 1, and the `reason` in plain words."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"{line}: {reason}")
        self.line, self.reason = line, reason


@dataclass(frozen=True, slots=True)
class Document:
    """A file in two parts. Scalars of YAML stay text as written (`3.10`, `no`, `2024-01-31`); an empty one is None."""

    kind: FrontMatterKind
    values: Mapping[str, Any]
    body: str
    _block: str = field(default="", repr=False)

    def line_number(self, key: str) -> int:
        """The line of the file on which a key of the top level stands; 1 if it cannot be found."""
        found = re.search(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*[:=]", self._block, re.MULTILINE)
        return 1 if found is None else 2 + self._block.count("\n", 0, found.start())


class _StringLoader(yaml.SafeLoader):
    """Guesses no types: a tag `2.10` is not the number 2.1, a title `No` is no truth value. Only null stays."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge nothing: merge keys of merge keys grow without bound, and no blog's front matter has them."""


_StringLoader.yaml_implicit_resolvers = {
    first: kept
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [pair for pair in resolvers if pair[0] == "tag:yaml.org,2002:null"])
}


def split(text: str) -> Document:
    """Part a file, whose lines end in LF. Raises FrontMatterError."""
    if match := _YAML.match(text):
        return _build_document(FrontMatterKind.YAML, match, text, _read_yaml)
    if match := _TOML.match(text):
        return _build_document(FrontMatterKind.TOML, match, text, _read_toml)
    if _UNCLOSED.match(text):
        raise FrontMatterError(1, f"the front matter has no end: put a line {text[:3]} after it")
    return Document(FrontMatterKind.NONE, {}, text)


def _build_document(kind: FrontMatterKind, match: re.Match[str], text: str, read: Callable[[str], Any]) -> Document:
    block = match["inside"]
    if len(block) > MAX_LENGTH:
        raise FrontMatterError(1, f"the front matter has more than {MAX_LENGTH} characters")
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
        # Tabs at the end of a line are no YAML, but every blog engine on libyaml takes them.
        return _load_yaml(stripped)


def _load_yaml(block: str) -> Any:
    try:
        return yaml.load(block, _StringLoader)  # noqa: S506 (this is a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # Not the line of the mark: YAML counts more characters as ends of lines than editors do.
        line = 2 + (block.count("\n", 0, mark.index) if mark else 0)
        raise FrontMatterError(line, f"YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = 2 + block.count("\n", 0, error.position)
        raise FrontMatterError(line, f"YAML: the character U+{error.character:04X} is not allowed") from None
    except RecursionError:
        raise FrontMatterError(2, "YAML: nested too deeply") from None
    # Explicit types, such as `!!int x`, make the constructors raise whatever their arithmetic raises.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
        raise FrontMatterError(2, f"YAML: a value does not have the type it claims ({type(error).__name__})") from None


def _read_toml(block: str) -> Any:
    try:
        return tomllib.loads(block)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _TOML_LINE.search(message)
        line = int(place[1]) if place and place[1] else block.count("\n")
        raise FrontMatterError(1 + line, f"TOML: {message.split(' (at ')[0]}") from None
    except RecursionError:
        raise FrontMatterError(2, "TOML: nested too deeply") from None
    except (ValueError, ArithmeticError) as error:
        raise FrontMatterError(2, f"TOML: a value is out of range ({type(error).__name__})") from None
