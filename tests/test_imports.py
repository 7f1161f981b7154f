"""Imports point down the list in the docstring of `blog`, never up and never sideways between the doors."""

import ast
from pathlib import Path

import blog

PACKAGE = Path(blog.__file__).parent
LAYERS = [line.strip().split("  ")[0].split(" · ") for line in (blog.__doc__ or "").splitlines() if line.startswith("    ")]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def imported_parts(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            names |= {f"{module}.{alias.name}" for alias in node.names} if module == "blog" else {module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("blog.") and name != "blog.__version__"}


def test_imports_point_down() -> None:
    checked = 0
    for path in PACKAGE.rglob("*.py"):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        for other in imported_parts(path) - {part}:
            assert RANK[part] < RANK[other], f"{path.relative_to(PACKAGE)} must not import blog.{other}"
            checked += 1
    assert checked > 100


def test_map_names_every_part_once() -> None:
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()} - {"__init__"}
    assert sorted(name for names in LAYERS for name in names) == sorted(parts)


def test_fastapi_and_starlette_stay_where_they_belong() -> None:
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text()
        assert "import fastapi" not in source
        assert "from fastapi" not in source
        if path.relative_to(PACKAGE).parts[0] in ("domain", "db", "schemas", "text", "transfer"):
            assert "starlette" not in source.replace("Starlette", ""), f"{path} knows Starlette"
