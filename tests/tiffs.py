"""TIFFs of drawn pixels, for tests of whatever reads them."""

from pathlib import Path

import numpy as np
import tifffile


def write(path: Path, pixels: np.ndarray, **options) -> None:
    """Grey values, also where 3 or 4 frames look like colours."""
    tifffile.imwrite(path, pixels, **({"photometric": "minisblack"} | options))


def save(folder: Path, name: str, frames: np.ndarray, first: int = 0, digits: int = 3) -> Path:
    """Frames as numbered files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, first):
        write(folder / f"{name}{number:0{digits}d}.tif", frame)
    return folder
