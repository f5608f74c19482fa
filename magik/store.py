"""The only module that opens or writes a Zarr store.

A store is one `.zarr.zip` file. It is written aside and renamed when it is whole, so a partial
one never stands at a final path; the bytes depend on the contents alone.
"""

import hashlib
import json
import os
import platform
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from safetensors import SafetensorError, safe_open

import magik
from magik import schema
from magik.errors import InputError

CHUNK_BYTES = 4 * 2**20
PACKAGES = (
    "numpy",
    "scipy",
    "xarray",
    "zarr",
    "andi-datasets",
    "deeptrack",
    "trackpy",
    "scikit-image",
    "scikit-learn",
    "torch",
    "torch-geometric",
)
"""Those whose version decides what data hold."""


def provenance(**made_by: Any) -> dict[str, Any]:
    """What a store or checkpoint says of its making: versions, seed, the config section.

    Nothing of it changes between two runs of the same code, config and seed on one machine.
    """
    versions = {"python": platform.python_version(), "magik": magik.__version__}
    versions |= {name: metadata.version(name) for name in PACKAGES if _installed(name)}
    return {"versions": versions, **made_by}


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def save(dataset: xr.Dataset, path: str | Path, layout: schema.Layout, **made_by: Any) -> None:
    """Write a store whole or not at all.

    Args:
        dataset: laid out as `layout` says.
        path: where; its folder is made.
        layout: checked before anything is written.
        made_by: the seed, the config section, and whatever else made it (JSON values).

    Raises:
        InputError: if the data set is not laid out as promised.
    """
    path = Path(path)
    schema.check(dataset, layout, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        attributes = dataset.attrs | {
            "schema": layout.name,
            "schema_version": layout.version,
            "provenance": json.dumps(provenance(**made_by), sort_keys=True, default=_plain),
            "complete": True,
        }
        clean = dataset.assign_attrs(attributes).drop_encoding()
        encoding: dict[str, dict[str, Any]] = {}
        for name, variable in clean.variables.items():
            if name in layout.variables:
                variable.attrs |= {
                    "units": layout.variables[str(name)].unit,
                    "long_name": layout.variables[str(name)].meaning,
                }
            encoding[str(name)] = {"chunks": _chunks(variable)}
        clean.to_zarr(aside / "store", encoding=encoding, zarr_format=2, consolidated=True)
        _pack(aside / "store", aside / "store.zip")
        os.replace(aside / "store.zip", path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _plain(value: Any) -> Any:
    """JSON of what json does not know: numpy numbers and arrays, paths."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)


def _chunks(variable: xr.Variable) -> tuple[int, ...]:
    """Chunks of about CHUNK_BYTES, cut along the longest dimension only."""
    if variable.ndim == 0:
        return ()
    shape = [max(1, n) for n in variable.shape]
    longest = int(np.argmax(shape))
    one = variable.dtype.itemsize * int(np.prod(shape)) // shape[longest]
    shape[longest] = min(shape[longest], max(1, CHUNK_BYTES // max(1, one)))
    return tuple(shape)


def _pack(folder: Path, target: Path) -> None:
    """Folder -> zip whose bytes depend on the contents alone: sorted names, no dates."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
                archive.writestr(entry, file.read_bytes())


def open(path: str | Path, layout: schema.Layout) -> xr.Dataset:
    """A store, read lazily: a slice reads only the chunks it touches.

    Raises:
        InputError: if there is no such store, if it is damaged or not whole, or if it holds
            something else than `layout`.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such store of {layout.name}. Make it with snakemake {path}")
    remedy = "Delete it and run snakemake again."
    try:
        store = zarr.storage.ZipStore(path, mode="r")
        dataset = xr.open_zarr(store, chunks=None, consolidated=True, zarr_format=2)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError) as damage:
        raise InputError(
            f"{path}: not a whole store of {layout.name} ({damage}); truncated or damaged. {remedy}"
        ) from damage
    if not dataset.attrs.get("complete"):
        raise InputError(f"{path}: not marked complete: its writing was interrupted. {remedy}")
    found = (dataset.attrs.get("schema"), dataset.attrs.get("schema_version"))
    if found != (layout.name, layout.version):
        raise InputError(
            f"{path}: holds {found[0]} version {found[1]}; "
            f"expected {layout.name} version {layout.version}. {remedy}"
        )
    return schema.check(dataset, layout, str(path))


def load(path: str | Path, layout: schema.Layout) -> xr.Dataset:
    """A store, read into memory and closed. Errors as `open`."""
    with open(path, layout) as dataset, reading(path):
        return dataset.load()


def said_by(checkpoint: str | Path) -> dict[str, Any]:
    """What a checkpoint says of itself, read without torch: task, features, training set, ...

    Raises:
        InputError: if there is none, or it is damaged, a pickle, or not the one that ships.
    """
    path = Path(checkpoint)
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint")
    must_be_as_shipped(path)
    try:
        with safe_open(path, framework="np") as file:
            said: dict[str, Any] = json.loads((file.metadata() or {})["magik"])
    except (SafetensorError, OSError, KeyError, ValueError) as damage:
        raise not_a_checkpoint(path, damage) from damage
    return said


def must_be_as_shipped(checkpoint: str | Path) -> None:
    """Refuse a checkpoint that differs from what the SHA256SUMS beside it say, if there are any.

    Raises:
        InputError: naming the file, the hash found and the one expected.
    """
    path = Path(checkpoint)
    sums = path.parent / "SHA256SUMS"
    if not sums.is_file():
        return
    lines = [line.split(maxsplit=1) for line in sums.read_text().splitlines() if line.strip()]
    listed = {name.lstrip("*"): digest for digest, name in lines}
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if path.name not in listed:
        raise InputError(
            f"{path}: not listed in {sums}. If you trust this file, add a line to it: "
            f"{found}  {path.name}"
        )
    if found != listed[path.name]:
        raise InputError(
            f"{path}: has sha256 {found[:12]}…, but {sums} expects {listed[path.name][:12]}…: "
            "damaged or replaced. Fetch it again, or set `weights: null` to train a network."
        )


def not_a_checkpoint(path: Path, damage: Exception) -> InputError:
    """What to say of a file that cannot be read as a checkpoint."""
    begin = path.read_bytes()[:4] if path.is_file() else b""
    pickled = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
    if begin.startswith((b"PK\3\4", *pickled)):
        return InputError(
            f"{path}: a pickle (.pt, .pkl), which runs code of its author's choice when it is "
            "opened; expected safetensors, which holds numbers only. Train a network here, or "
            "ask for its weights as safetensors."
        )
    return InputError(
        f"{path}: not a whole checkpoint of magik ({damage}); truncated, damaged or not "
        "safetensors. Delete it and run snakemake again."
    )


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """While parts of a store are read: damage in them becomes an `InputError` that names it."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, OSError, KeyError, RuntimeError) as damage:
        raise InputError(
            f"{path}: a part of this store cannot be read ({damage}); truncated or damaged. "
            "Delete it and run snakemake again."
        ) from damage
