"""A module imports only from its left; foreign packages have one owner each."""

import ast
import shutil
from itertools import chain
from pathlib import Path

import pytest

from magik import layers

MODULES = list(chain(*layers.SHELVES.values()))
WRITTEN = sorted(path.stem for path in layers.PACKAGE.glob("[!_]*.py"))
SCRIPTS = sorted((Path(__file__).parents[1] / "workflow" / "scripts").glob("*.py"))


@pytest.fixture(autouse=True)
def _no_memory():
    """Files change in these tests, which nothing else does; what they import does not."""
    yield
    layers.fingerprint.cache_clear()


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A copy of all modules, to be edited and put back."""
    copy = tmp_path_factory.mktemp("edited") / "magik"
    return shutil.copytree(layers.PACKAGE, copy, ignore=shutil.ignore_patterns("weights"))


def foreign(module: str) -> set[str]:
    """Packages that a module imports, wherever in the file."""
    tree = ast.parse((layers.PACKAGE / f"{module}.py").read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.split(".")[0] for name in names}


def test_every_module_stands_on_one_shelf():
    assert sorted(MODULES) == WRITTEN


@pytest.mark.parametrize("module", WRITTEN)
def test_imports_come_from_the_left(module):
    shelf = layers.shelf_of(module)
    before = layers.SHELVES[shelf][: layers.SHELVES[shelf].index(module)]
    others = [name for name in layers.MAY_IMPORT[shelf] if name != shelf]
    allowed = {*before, *chain(*(layers.SHELVES[name] for name in others))}
    assert layers.imports(module) <= allowed


@pytest.mark.parametrize("module", WRITTEN)
def test_foreign_packages_are_touched_by_their_owners_only(module):
    owned_by_others = {name for name, owners in layers.OWNERS.items() if module not in owners}
    assert not foreign(module) & owned_by_others


@pytest.mark.parametrize("package", layers.OWNERS)
def test_owners_use_what_they_own(package):
    """A package that nobody imports any more does not belong into the table."""
    assert any(package in foreign(module) for module in layers.OWNERS[package])


def test_a_fingerprint_follows_content_and_closure(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from magik import errors\n")
    before = layers.fingerprint(script)
    assert set(layers.closure(*layers.imported_by(script))) == {"errors"}

    layers.fingerprint.cache_clear()
    layers.imported_by.cache_clear()
    script.touch()
    assert layers.fingerprint(script) == before

    layers.fingerprint.cache_clear()
    layers.imported_by.cache_clear()
    script.write_text("from magik import store\n")
    assert layers.fingerprint(script) != before
    assert {"store", "schema", "errors"} <= set(layers.closure(*layers.imported_by(script)))


@pytest.mark.parametrize("edited", MODULES)
def test_an_edited_module_changes_the_fingerprints_of_what_rests_on_it(
    package, monkeypatch, edited
):
    monkeypatch.setattr(layers, "PACKAGE", package)
    before = {script: layers.fingerprint(script) for script in SCRIPTS}
    layers.fingerprint.cache_clear()
    module = package / f"{edited}.py"
    source = module.read_text()
    try:
        module.write_text(source + "# edited\n")
        changed = {script for script in SCRIPTS if layers.fingerprint(script) != before[script]}
    finally:
        module.write_text(source)
    assert changed == {
        script for script in SCRIPTS if edited in layers.closure(*layers.imported_by(script))
    }
