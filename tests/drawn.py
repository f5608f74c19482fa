"""Videos drawn by hand or by ten lines of numpy, for tests of graphs and networks."""

import numpy as np
import xarray as xr

from magik import physics


def video(
    rows: list[tuple[int, float, float, int]], side: float = 10.0, frames: int | None = None
) -> xr.Dataset:
    """LOCALIZATIONS of one video from (frame, x, y, particle), with D = 0.1 and intensity 50."""
    table = np.array(sorted(rows, key=lambda row: row[0]), float).reshape(-1, 4)
    n_frames = frames or (int(table[:, 0].max()) + 1 if len(table) else 1)
    row = "localization"
    return xr.Dataset(
        {
            "row_size": ("video", [len(table)]),
            "n_frames": ("video", [n_frames]),
            "frame": (row, table[:, 0].astype(int)),
            "x": (row, table[:, 1]),
            "y": (row, table[:, 2]),
            "intensity": (row, np.full(len(table), 50.0)),
            "particle": (row, table[:, 3].astype(int)),
            "diffusivity": (row, np.full(len(table), 0.1)),
        },
        attrs={"field_of_view": [side, side]},
    )


def crossing() -> xr.Dataset:
    """Two particles swap sides; linking each to its nearest neighbour exchanges them.

    y
    3 | a . . b
    2 | . a b .
    1 | . b a .
    0 | b . . a
        0 1 2 3   frame (and x)
    """
    a = [(t, float(t), 3.0 - t, 0) for t in range(4)]
    b = [(t, float(t), float(t), 1) for t in range(4)]
    return video(a + b)


def brownian(videos: int, frames: int, particles: int, seed: int, side: float = 32.0) -> xr.Dataset:
    """Brownian particles between reflecting walls, D ~ U(0.005, 0.7) px²/frame."""
    rng = np.random.default_rng(seed)
    shape = (videos, frames, particles)
    diffusivity = np.broadcast_to(rng.uniform(0.005, 0.7, (videos, 1, particles)), shape)
    steps = rng.normal(size=(*shape, 2)) * np.sqrt(2 * diffusivity)[..., None]
    steps[:, 0] = rng.uniform(0, side, (videos, particles, 2))
    position = physics.reflect(np.cumsum(steps, axis=1), side)
    intensity = rng.uniform(20, 80, (videos, 1, particles)) + 3 * rng.normal(size=shape)
    _, frame, particle = np.indices(shape)
    row = "localization"
    return xr.Dataset(
        {
            "row_size": ("video", np.full(videos, frames * particles)),
            "n_frames": ("video", np.full(videos, frames)),
            "frame": (row, frame.ravel()),
            "x": (row, position[..., 0].ravel()),
            "y": (row, position[..., 1].ravel()),
            "intensity": (row, intensity.ravel()),
            "particle": (row, particle.ravel()),
            "diffusivity": (row, diffusivity.ravel()),
        },
        attrs={"field_of_view": [side, side]},
    )
