"""Order of the modules, and which files a module rests on.

A module imports only from the shelves to the left of its own, or from modules further left on
its own shelf. The *data* and *read-out* shelves never import *learning*, nor one another, so
that figures and scores are remade without torch.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

SHELVES: dict[str, tuple[str, ...]] = {
    "words": (
        "layers",
        "errors",
        "job",
        "physics",
        "neighbours",
        "schema",
        "lineage",
        "config",
        "sweeps",
        "store",
        "fetch",
    ),
    "data": (
        *("motions", "simulate", "optics", "holography", "localize", "lorenz_mie", "refocus"),
        *("microscope", "stacks", "detections", "recordings", "registration", "cells", "graphs"),
    ),
    "learning": (
        "dataset",
        "blocks",
        "rivals",
        "laplacian",
        "network",
        "train",
        "predict",
        "attention",
    ),
    "read-out": (
        *("greys", "export", "floors", "link_free", "track_features", "floors_motion"),
        *("change_points", "linking", "lineages", "aogm", "linkers", "maps", "metrics", "tables"),
        *("cards", "movies", "plots", "plots_cells", "plots_motion", "plots_sweeps"),
        "plots_matrix",
    ),
}

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "words": ("words",),
    "data": ("words", "data"),
    "learning": ("words", "data", "learning"),
    "read-out": ("words", "read-out"),
}

OWNERS: dict[str, tuple[str, ...]] = {
    "andi_datasets": ("motions",),
    "deeptrack": ("optics", "holography"),
    "trackpy": ("localize", "linkers"),
    "laptrack": ("linkers",),
    "motile": ("linking",),
    "skimage": ("cells",),
    "sklearn": ("floors_motion",),
    "geff": ("detections", "lineages"),
    "geff_spec": ("lineages",),
    "PIL": ("movies",),
    "ctc_metrics": ("aogm",),
    "zarr": ("store", "stacks"),
    "torch": SHELVES["learning"],
    "torch_geometric": ("rivals",),
    "matplotlib": ("plots", "plots_cells", "plots_motion", "plots_sweeps", "plots_matrix"),
}
"""The only modules that may import a foreign package."""

PACKAGE = Path(__file__).parent


def shelf_of(module: str) -> str:
    """Name of the shelf that a module stands on.

    Raises:
        KeyError: if the module stands on no shelf.
    """
    for shelf, modules in SHELVES.items():
        if module in modules:
            return shelf
    raise KeyError(f"magik.{module} stands on no shelf of magik.layers.SHELVES")


def imports(module: str) -> frozenset[str]:
    """Modules of this package that `magik.<module>` imports itself."""
    return imported_by(PACKAGE / f"{module}.py")


@cache
def imported_by(source: Path) -> frozenset[str]:
    """Modules of this package that a Python file imports itself."""
    tree = ast.parse(source.read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "magik":
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("magik."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found.update(a.name.split(".")[1] for a in node.names if a.name.startswith("magik."))
    return frozenset(name for name in found if (PACKAGE / f"{name}.py").exists())


def closure(*modules: str) -> tuple[str, ...]:
    """The modules named and all that they rest on, sorted."""
    todo, done = list(modules), set()
    while todo:
        module = todo.pop()
        if module not in done:
            done.add(module)
            todo.extend(imports(module))
    return tuple(sorted(done))


@cache
def fingerprint(script: Path) -> str:
    """Hash of a script and of every module that it rests on: the rerun trigger of its rule.

    Snakemake does not see the imports of a script, so each rule carries this in its `params`:
    editing a module plans exactly the rules that rest on it, touching a file plans nothing.
    """
    modules = [PACKAGE / f"{module}.py" for module in closure(*imported_by(script))]
    digest = hashlib.sha256()
    for source in (script, *modules):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
