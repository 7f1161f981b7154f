"""The project's texts are plain English: no banned words, and docstrings that begin with a verb or a noun phrase."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lines import ROOT

BANNED = re.compile(
    r"\b(anew|besides?|whoever|for ever|mend(?:s|ed|ing)?|told|affairs?|of its own|more or less)\b", re.IGNORECASE
)
LETTER = re.compile(r"\b(?:a|the|no|each|every|of|by|with|this|send\w*|write|our)\s+letters?\b", re.IGNORECASE)
"""Finds `letter` in the sense of e-mail."""
CHARACTER = re.compile(r"letters? (?:of the alphabet|and|or) (?:digit|number)|first letter|capital|Latin|accent|Ctrl")
PRONOUN = re.compile(
    r"(?:it|its|they|them|their|this|these|that|those|he|she|we|you|i|who|whose|whom|which|what|whoever|somebody|someone|nobody"
    r"|nothing|everybody|everything|others)\b",
    re.IGNORECASE,
)
RELATIVE = re.compile(r"\b(?:who|whose|whom)\b", re.IGNORECASE)
SUFFIXES = frozenset(
    {".py", ".html", ".js", ".md", ".css", ".txt", ".svg", ".conf", ".yml", ".yaml", ".service", ".example", ".toml", ""}
)
PLACES = (
    "blog",
    "templates",
    "static",
    "tests",
    "README.md",
    "pyproject.toml",
    "Procfile",
    ".docs",
    ".github",
    ".deploy",
    ".ci",
    ".env.example",
)
EXEMPT = frozenset({"vendor", "common_passwords.txt", "test_english.py"})
"""Code of others, a list of passwords, and this list of words."""


def files() -> Iterator[Path]:
    for place in PLACES:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and file.suffix in SUFFIXES and EXEMPT.isdisjoint(file.parts):
                yield file


FILES = {path.relative_to(ROOT).as_posix(): path for path in files()}


def wrong_words(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line number of each banned word, and the line."""
    for number, line in enumerate(text.splitlines(), 1):
        if BANNED.search(line) or (LETTER.search(line) and not CHARACTER.search(line)):
            yield number, line.strip()


def wrong_docstrings(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line number of each docstring that begins with a pronoun or has a relative pronoun, and its beginning."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstring = node.value.value.strip()
            if PRONOUN.match(docstring) or RELATIVE.search(docstring):
                yield node.lineno, docstring[:80]


def wrong_names(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line number of each function or class with such a word in its name, and the name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            words = node.name.replace("_", " ")
            if BANNED.search(words) or RELATIVE.search(words):
                yield node.lineno, node.name


@pytest.mark.parametrize("name", FILES)
def test_words_are_plain_english(name: str) -> None:
    text = FILES[name].read_text()
    wrong = [*wrong_words(text), *([*wrong_docstrings(text), *wrong_names(text)] if name.endswith(".py") else [])]
    assert not wrong, "\n".join(f"{name}:{number}: {line}" for number, line in wrong)


@pytest.mark.parametrize("line", ["Read it anew.", "the folder besides", "A letter is sent", "is told to reload", "it is mended"])
def test_banned_words_are_noticed(line: str) -> None:
    assert list(wrong_words(f"fine\n{line}\n")) == [(2, line)]


@pytest.mark.parametrize("line", ["Use letters and digits", "Return the first letter of a word", "a separate table"])
def test_plain_words_pass(line: str) -> None:
    assert not list(wrong_words(line))


@pytest.mark.parametrize("docstring", ["It is sent.", "What was found.", "Return the user whose name it is."])
def test_docstrings_with_pronouns_are_noticed(docstring: str) -> None:
    assert list(wrong_docstrings(f'def f() -> None:\n    """{docstring}"""\n')) == [(2, docstring)]


@pytest.mark.parametrize("name", ["test_author_is_told", "who_may_write", "mend"])
def test_names_are_plain_english(name: str) -> None:
    assert list(wrong_names(f"def {name}() -> None: ...\n")) == [(1, name)]
