"""Lines of code: not blank, no comment, no docstring; of a file, or of a function, class or table in it."""

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
    """The tree of a file (its path from the root) and the numbers of its lines of code."""
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
    """The code of `path` or `path:name`, such as `blog/api/tokens.py:TokenList.post`. Raises LookupError."""
    path, _, name = place.partition(":")
    tree, code = parsed(path)
    if not name:
        return path, code
    body: list[ast.stmt] = tree.body
    found: ast.stmt | None = None
    for part in name.split("."):
        found = next((node for node in body if part in _names(node)), None)
        if found is None:
            raise LookupError(f"{path} has no {name}")
        body = found.body if isinstance(found, ast.ClassDef) else []
    return path, frozenset(code & _span(found)) if found else code


def _names(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Assign():
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name


def around(path: str, line: int) -> Place:
    """The code that a comment on this line is about: the function or class that it is in, else the statement after it."""
    tree, code = parsed(path)
    within = [node for node in ast.walk(tree) if isinstance(node, _NAMED) and line in _span(node)]
    node = max(within, key=lambda node: node.lineno) if within else next(node for node in tree.body if node.lineno > line)
    return path, frozenset(code & _span(node))


def decorated(path: str, decorator: str) -> Place:
    """The lines of all decorators of this name."""
    tree, code = parsed(path)
    lines: set[int] = set()
    for node in ast.walk(tree):
        for item in node.decorator_list if isinstance(node, _NAMED) else ():
            if isinstance(item, ast.Call) and isinstance(item.func, ast.Name) and item.func.id == decorator:
                lines.update(range(item.lineno, (item.end_lineno or item.lineno) + 1))
    return path, frozenset(code & lines)


def count(*places: Place, without: Iterable[Place] = ()) -> int:
    """Their lines, each once, but for those of some others."""
    left_out = {(path, line) for path, lines in without for line in lines}
    return len({(path, line) for path, lines in places for line in lines} - left_out)
