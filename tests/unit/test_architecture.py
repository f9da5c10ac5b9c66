"""What the README and ``pyproject.toml`` say of the code, against the code."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
MODULES = sorted((ROOT / "runner").rglob("*.py"))
COME_ALONG = {
    # What `docker` raises is `requests`', and streams are read by `urllib3`.
    "runner/backends/docker/": {"requests", "urllib3"},
    # FastAPI is made of these, and uvicorn of the last.
    "runner/api/": {"anyio", "pydantic", "pydantic_core", "starlette", "h11"},
}


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _contract_layers() -> list[set[str]]:
    """Return the packages of each layer of the import contract, top first, less those that are optional."""
    (contract,) = [c for c in _pyproject()["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    layers = [{part.strip() for part in layer.split("|")} for layer in contract["layers"]]
    return [layer for layer in ({p for p in parts if not p.startswith("(")} for parts in layers) if layer]


def _readme_layers() -> list[set[str]]:
    """Return the packages of each row of the README's table, top first."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## How it fits together")[2].partition("\n## ")[0]
    firsts = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `runner.")]
    return [set(re.findall(r"`runner\.(\w+)`", first)) for first in firsts]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _imports(path: Path) -> set[str]:
    """Return the top-level packages that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_the_table_in_the_readme_is_the_contract_that_is_checked() -> None:
    assert _readme_layers() == _contract_layers()


def test_every_package_has_its_layer() -> None:
    there = {path.relative_to(ROOT / "runner").parts[0].removesuffix(".py") for path in MODULES}

    assert there - {"__init__", "__main__"} == set.union(*_contract_layers())


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_bytes()))


def test_every_import_is_our_own_of_python_or_declared() -> None:
    project = _pyproject()["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["daemon"]
    declared = {_normal(re.split(r"[\[<>=~! ]", line)[0]) for line in lines}
    distributions = packages_distributions()
    undeclared = {
        f"{_name(path)}: {name}"
        for path in MODULES
        for name in _imports(path) - {"runner"} - sys.stdlib_module_names
        if not {_normal(distribution) for distribution in distributions.get(name, [name])} & declared
    }

    assert {line for line in undeclared if not _comes_along(line)} == set()


def _comes_along(line: str) -> bool:
    """Whether a module imports what comes with a library that it is there for."""
    path, _, name = line.partition(": ")
    return any(path.startswith(folder) and name in names for folder, names in COME_ALONG.items())


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
