"""Lines of code (without blank lines, comments and docstrings) of a file, or of a function, class or table in it."""

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import blog

ROOT = Path(blog.__file__).parent.parent
_NO_CODE = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})
_NAMED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

Place = tuple[str, frozenset[int]]


@cache
def parsed(path: str) -> tuple[ast.Module, frozenset[int]]:
    """Return the syntax tree of a file and the numbers of its lines of code. `path` is relative to the root."""
    source = (ROOT / path).read_text()
    tree = ast.parse(source)
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | _NAMED) and ast.get_docstring(node) is not None:
            code -= _span(node.body[0])
    return tree, frozenset(code)


def _span(node: ast.stmt) -> set[int]:
    decorators = node.decorator_list if isinstance(node, _NAMED) else []
    return set(range(min([node.lineno, *(item.lineno for item in decorators)]), (node.end_lineno or node.lineno) + 1))


def named(place: str) -> Place:
    """Return the code of `path` or `path:name`, such as `blog/api/tokens.py:TokenList.post`. Raises LookupError."""
    path, _, name = place.partition(":")
    tree, code = parsed(path)
    if not name:
        return path, code
    body: list[ast.stmt] = tree.body
    node: ast.stmt | None = None
    for part in name.split("."):
        node = next((child for child in body if part in _names(child)), None)
        if node is None:
            raise LookupError(f"{path} has no {name}")
        body = node.body if isinstance(node, ast.ClassDef) else []
    return path, frozenset(code & _span(node)) if node else code


def _names(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Assign():
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name


def around(path: str, line: int) -> Place:
    """Return the code that a comment on this line describes: the enclosing function or class, else the next statement."""
    tree, code = parsed(path)
    within = [node for node in ast.walk(tree) if isinstance(node, _NAMED) and line in _span(node)]
    node = max(within, key=lambda node: node.lineno) if within else next(node for node in tree.body if node.lineno > line)
    return path, frozenset(code & _span(node))


def decorated(path: str, decorator: str) -> Place:
    """Return the lines of all calls of this decorator."""
    tree, code = parsed(path)
    lines: set[int] = set()
    for node in ast.walk(tree):
        for item in node.decorator_list if isinstance(node, _NAMED) else ():
            if isinstance(item, ast.Call) and isinstance(item.func, ast.Name) and item.func.id == decorator:
                lines.update(range(item.lineno, (item.end_lineno or item.lineno) + 1))
    return path, frozenset(code & lines)


def count(*places: Place, without: Iterable[Place] = ()) -> int:
    """Return the number of distinct lines in `places`, without those in `without`."""
    excluded = {(path, line) for path, lines in without for line in lines}
    return len({(path, line) for path, lines in places for line in lines} - excluded)
