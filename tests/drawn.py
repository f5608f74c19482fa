"""Videos and tracks drawn by hand or by ten lines of numpy."""

from pathlib import Path

import numpy as np
import tifffile
import xarray as xr

from magik import lineage, physics


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


def dividing() -> xr.Dataset:
    """A mother (0) is seen in frames 0-2, missed in 1, and divides into 1 and 2; 3 stays alone.

    x
    6 |         1 1
    5 | 0 . 0
    4 |         2 2
    1 | 3 3 3 3 3
        0 1 2 3 4   frame
    """
    rows = [(0, 5.0, 5.0, 0), (2, 5.0, 5.0, 0)]
    rows += [(t, 6.0, 5.0, 1) for t in (3, 4)] + [(t, 4.0, 5.0, 2) for t in (3, 4)]
    drawn = video(rows + [(t, 1.0, 5.0, 3) for t in range(5)])
    parent = np.isin(drawn["particle"], [1, 2])
    return drawn.drop_vars("diffusivity").assign(
        parent_particle=("localization", np.where(parent, 0, -1))
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


SHAPE = (24, 32)
"""y, x; px; of the field of view of `family`."""


def family() -> xr.Dataset:
    """TRACKS: A divides into B and C; D is not seen in frames 2 and 3; E is alone.

    track, label   frame 0 1 2 3 4 5
       0   30      A     A A A . . .
       1   90      D     D D . . D D
       2   40      B     . . . B B B
       3   50      C     . . . C C C
       4   70      E     . . . . . E
    """
    rows = [(t, 30, 8.5, 8.5 + t) for t in (0, 1, 2)]
    rows += [(t, 90, 20.5, 26.5 - t) for t in (0, 1, 4, 5)]
    rows += [(t, 40, 5.5, 10.5) for t in (3, 4, 5)]
    rows += [(t, 50, 12.5, 10.5) for t in (3, 4, 5)]
    rows += [(5, 70, 20.5, 4.5)]
    links = [((0, 30), (1, 30)), ((1, 30), (2, 30)), ((2, 30), (3, 40)), ((2, 30), (3, 50))]
    links += [((t, name), (t + 1, name)) for t in (3, 4) for name in (40, 50)]
    links += [((0, 90), (1, 90)), ((1, 90), (4, 90)), ((4, 90), (5, 90))]
    return tracked(rows, links, first_frame=7)


def merging() -> xr.Dataset:
    """TRACKS: A and B meet in C, which divides into D and E.

    track, label   frame 0 1 2 3 4
       0   10      A     A A . . .
       1   20      B     B B . . .
       2   30      C     . . C . .
       3   40      D     . . . D D
       4   50      E     . . . E E
    """
    rows = [(t, 10, 6.5, 8.5) for t in (0, 1)] + [(t, 20, 16.5, 8.5) for t in (0, 1)]
    rows += [(2, 30, 11.5, 12.5)]
    rows += [(t, 40, 6.5, 16.5) for t in (3, 4)] + [(t, 50, 16.5, 16.5) for t in (3, 4)]
    links = [((0, name), (1, name)) for name in (10, 20)]
    links += [((1, 10), (2, 30)), ((1, 20), (2, 30)), ((2, 30), (3, 40)), ((2, 30), (3, 50))]
    links += [((3, name), (4, name)) for name in (40, 50)]
    return tracked(rows, links)


def tracked(rows: list[tuple[int, int, float, float]], links: list, **attrs) -> xr.Dataset:
    """TRACKS of (frame, label, y, x) and of links between rows named by (frame, label)."""
    rows = sorted(rows, key=lambda row: (row[0], row[2]))  # frame, then y
    frame, label, y, x = np.array(rows).T
    row = "localization"
    localizations = xr.Dataset(
        {
            "row_size": ("video", [len(rows)]),
            "n_frames": ("video", [int(frame.max()) + 1]),
            "frame": (row, frame.astype(int)),
            "x": (row, x),
            "y": (row, y),
            "area": (row, np.full(len(rows), 9.0)),
            "label": (row, label.astype(int)),
        },
        attrs={"field_of_view": list(SHAPE)} | attrs,
    )
    at = {(t, name): place for place, (t, name, _, _) in enumerate(rows)}
    ends = np.array([(at[one], at[two]) for one, two in links], int).reshape(-1, 2).T
    return lineage.tracks_of_links(localizations, ends, "drawn")


def squares(tracks: xr.Dataset) -> np.ndarray:
    """Masks [frame, y, x]: a square of 3 x 3 px for each localization."""
    masks = np.zeros((int(tracks["n_frames"][0]), *SHAPE), np.uint16)
    for t, name, y, x in named_rows(tracks):
        masks[t, int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = name
    return masks


def named_rows(tracks: xr.Dataset) -> list[tuple[int, int, float, float]]:
    """(frame, label, y, x) of each row."""
    columns = (tracks[name].to_numpy().tolist() for name in ("frame", "label", "y", "x"))
    return list(zip(*columns, strict=True))


def deep(tracks: xr.Dataset) -> xr.Dataset:
    """The same cells in a volume, in its third plane."""
    return tracks.assign(z=("localization", np.full(tracks.sizes["localization"], 2.5)))


def nothing() -> xr.Dataset:
    """TRACKS: three frames without a cell."""
    empty = {name: ("localization", np.zeros(0)) for name in "xy"}
    whole = {name: ("localization", np.zeros(0, int)) for name in ("frame", "label", "track")}
    return xr.Dataset(
        {**empty, **whole, "row_size": ("video", [0]), "n_frames": ("video", [3]),
         "parent": ("track", np.zeros(0, int))},
        attrs={"field_of_view": list(SHAPE), "linker": "drawn"},
    )  # fmt: skip


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


def challenge_sequence(folder: Path, number: str, seed: int) -> None:
    """A sequence of the Cell Tracking Challenge: six discs that wander, one of which divides.

    Images, silver masks, gold markers and their lineage, 8 frames of 64 x 64 px; one disc is
    missed in one frame by the masks.
    """
    rng = np.random.default_rng(seed)
    at = np.stack(np.meshgrid([12, 32, 52], [16, 46]), axis=-1).reshape(-1, 2).astype(float)
    y, x = np.indices((64, 64)) + 0.5
    paths = {name: folder / f"{number}{name}" for name in ("", "_ST/SEG", "_GT/TRA")}
    for path in paths.values():
        path.mkdir(parents=True, exist_ok=True)
    label = np.arange(1, 7)
    for t in range(8):
        at = at + rng.normal(scale=1.0, size=at.shape)
        if t == 4:  # cell 1 becomes 7 and 8
            at = np.concatenate([at[1:], at[:1], at[:1]])
            at[-2:, 0] += (-5, 5)
            label = np.append(label[1:], [7, 8])
        near = np.hypot(x[None] - at[:, :1, None], y[None] - at[:, 1:, None])
        mask = np.where(near.min(axis=0) < 4.5, label[near.argmin(axis=0)], 0).astype(np.uint16)
        image = (20 + 100 * np.exp(-near.min(axis=0) / 3)).astype(np.uint8)
        seen = np.where(mask == 3, 0, mask) if t == 2 else mask
        for name, pixels in (
            (f"{number}/t{t:03d}", image),
            (f"{number}_ST/SEG/man_seg{t:03d}", seen),
            (f"{number}_GT/TRA/man_track{t:03d}", mask),
        ):
            tifffile.imwrite(folder / f"{name}.tif", pixels, photometric="minisblack")
    lines = [[1, 0, 3, 0], *([k, 0, 7, 0] for k in range(2, 7)), [7, 4, 7, 1], [8, 4, 7, 1]]
    np.savetxt(paths["_GT/TRA"] / "man_track.txt", lines, fmt="%d")
