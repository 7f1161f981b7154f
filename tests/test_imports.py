"""Imports point down the map in the docstring of `blog`, follow the order inside each layer, and form no circle."""

import ast
import functools
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import blog

PACKAGE = Path(blog.__file__).parent
LAYERS = [line.strip().split("  ")[0].split(" · ") for line in (blog.__doc__ or "").splitlines() if line.startswith("    ")]
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}
ORDERS = {
    "domain": "core < media, posts, site < comments, accounts < read_models, integrity",
    "framework": "identity, urls < limits, templating < caching < request < response < endpoints",
    "web": "rendering < accounts, comments, media, posts, site < admin, discovery < routes",
}
"""Inside each layer: a package may import the packages left of it, and those next to it unless listed in FORBIDDEN."""
FORBIDDEN = {
    "domain": {("posts", "media"), ("comments", "accounts")},
    "web": {("posts", "comments"), ("posts", "accounts"), ("comments", "accounts")},
}
MAX_ENTRIES = 12
STARLETTE_FREE = ("domain", "db", "schemas", "text", "import_export")


@functools.cache
def modules() -> Mapping[str, Path]:
    """Return every module below `blog` by its dotted name. Migrations are scripts and are left out."""
    paths = [path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts]
    return {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@functools.cache
def imports(module: str) -> frozenset[str]:
    """Return the modules of `blog` that a module imports, anywhere in its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            base = node.module or ""
            names |= {full if (full := f"{base}.{alias.name}") in modules() else base for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(names & modules().keys()) - {module, "blog"}


def edges(depth: int, prefix: str = "blog") -> set[tuple[str, str, str]]:
    """Return (part, imported part, module) for each import between two parts that lie `depth` names below `blog`."""
    return {
        (parts[depth], other[depth], module)
        for module in modules()
        if module.startswith(f"{prefix}.")
        for imported in imports(module)
        if imported.startswith(f"{prefix}.")
        and (parts := module.split("."))[depth:]
        and (other := imported.split("."))[depth:]
        and parts[depth] != other[depth]
    }


def ranks(order: str) -> dict[str, int]:
    """Return the rank of each name in an order such as `a < b, c`."""
    return {name: rank for rank, names in enumerate(order.split(" < ")) for name in names.split(", ")}


def test_imports_point_down() -> None:
    found = edges(1)
    for part, other, module in found:
        assert RANKS[part] < RANKS[other], f"{module} must not import blog.{other}"
    assert len(found) > 100


@pytest.mark.parametrize("layer", ORDERS)
def test_packages_of_a_layer_follow_their_order(layer: str) -> None:
    order = ranks(ORDERS[layer])
    assert set(order) == set(entries(PACKAGE / layer)) - {"__init__"}
    for part, other, module in edges(2, f"blog.{layer}"):
        assert order[part] >= order[other], f"{module} must not import blog.{layer}.{other}: {ORDERS[layer]}"
        assert (part, other) not in FORBIDDEN.get(layer, ()), f"{module} must not import blog.{layer}.{other}"
    packages = {(part, other) for part, other, _ in edges(2, f"blog.{layer}")}
    assert_no_circle({part: {other for one, other in packages if one == part} for part, _ in packages})


def test_modules_have_no_import_cycle() -> None:
    assert_no_circle({module: imports(module) for module in modules()})


def assert_no_circle(graph: Mapping[str, Iterable[str]]) -> None:
    """Fail with the names of a circle in a graph of imports."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports form a circle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("layer", ORDERS)
def test_first_level_of_a_layer_is_small(layer: str) -> None:
    assert len(entries(PACKAGE / layer)) <= MAX_ENTRIES


def entries(folder: Path) -> list[str]:
    """Return the names of the modules and packages in a folder."""
    return sorted(path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists())


def test_map_lists_every_part_once() -> None:
    assert sorted(name for names in LAYERS for name in names) == sorted(set(entries(PACKAGE)) - {"__init__"})


def test_domain_does_not_import_starlette_and_nothing_imports_fastapi() -> None:
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text()
        assert "import fastapi" not in source
        assert "from fastapi" not in source
        if path.relative_to(PACKAGE).parts[0] in STARLETTE_FREE:
            assert "starlette" not in source.replace("Starlette", ""), f"{path} imports Starlette"
