"""Stacks: every way to store the same frames, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from tiffs import save, write

from magik import stacks
from magik.errors import InputError

PIXELS = np.arange(4 * 6 * 8, dtype=np.uint16).reshape(4, 6, 8)
"""Four frames of 6 x 8 px, no two pixels alike."""


def write_tiff(path: Path, pixels: np.ndarray) -> Path:
    write(path / "m.tif", pixels)
    return path / "m.tif"


def write_one_by_one(path: Path, pixels: np.ndarray) -> Path:
    for frame in pixels:
        write(path / "m.tif", frame, append=True)
    return path / "m.tif"


def write_ome(path: Path, pixels: np.ndarray) -> Path:
    write(path / "m.ome.tif", pixels[:, None], metadata={"axes": "TCYX"}, ome=True)
    return path / "m.ome.tif"


def write_time_last(path: Path, pixels: np.ndarray) -> Path:
    turned = pixels.transpose(1, 2, 0)
    write(path / "m.tif", turned, metadata={"axes": "YXT"})
    return path / "m.tif"


def write_zarr(path: Path, pixels: np.ndarray) -> Path:
    zarr.create_array(path / "m.zarr", data=pixels, chunks=(1, 6, 8))
    return path / "m.zarr"


def write_zarr_group(path: Path, pixels: np.ndarray) -> Path:
    group = zarr.open_group(path / "m.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=pixels[:, None, None])
    return path / "m.zarr"


def write_folder(path: Path, pixels: np.ndarray) -> Path:
    return save(path / "m", "frame_", pixels, digits=1)


@pytest.mark.parametrize(
    "save_as",
    [
        *(write_tiff, write_one_by_one, write_ome, write_time_last),
        *(write_zarr, write_zarr_group, write_folder),
    ],
)
def test_every_way_to_store_frames_gives_the_same_stack(tmp_path, save_as):
    stack = stacks.open_stack(save_as(tmp_path, PIXELS))
    assert stack.first_frame == 0
    assert stack.shape == (4, 6, 8)
    assert len(stack) == 4
    assert stack.dtype == np.uint16
    np.testing.assert_array_equal(stack, PIXELS)
    np.testing.assert_array_equal(stack[-1], PIXELS[-1])
    np.testing.assert_array_equal(stack[1:3], PIXELS[1:3])


def test_frames_of_a_folder_are_sorted_by_number(tmp_path):
    """Frame 2 comes before frame 10, although its name sorts after it."""
    pixels = np.concatenate([PIXELS] * 3) * np.arange(1, 13, dtype=np.uint16)[:, None, None]
    folder = save(tmp_path / "m", "t", pixels, first=1, digits=1)
    stack = stacks.open_stack(folder)
    assert stack.first_frame == 1
    np.testing.assert_array_equal(stack, pixels)
    names = sorted(path.name for path in folder.iterdir())
    assert names.index("t10.tif") < names.index("t2.tif"), "test invalid"


@pytest.mark.parametrize("first", [0, 5])
def test_frames_are_cut_by_their_numbers(tmp_path, first):
    stack = stacks.open_stack(save(tmp_path / "m", "t", PIXELS, first))
    some = stack.cut((first + 1, first + 3), "somebody wants them")
    assert some.first_frame == first + 1
    np.testing.assert_array_equal(some, PIXELS[1:3])
    again = some.cut((first + 2, first + 3), "somebody wants one")
    np.testing.assert_array_equal(again, PIXELS[2:3])
    line = f"m: nobody wants it, but it has the frames {first} to {first + 3}"
    for frames in ((first, first + 5), (first - 1, first + 1)):
        with pytest.raises(InputError, match=line):
            stack.cut(frames, "nobody wants it")


def test_depth(tmp_path):
    """In a file of several frames, and in a folder of them, where the lone axis is depth."""
    pixels = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    write(tmp_path / "m.tif", pixels, imagej=True, metadata={"axes": "TZYX"})
    for path in (tmp_path / "m.tif", save(tmp_path / "m", "t", pixels)):
        stack = stacks.open_stack(path)
        assert stack.frame_shape == (3, 4, 5)
        np.testing.assert_array_equal(stack, pixels)


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (np.stack([PIXELS] * 2, 1), {"metadata": {"axes": "TCYX"}}),
        (np.stack([PIXELS.astype(np.uint8)] * 3, -1), {"photometric": "rgb"}),
    ],
)
def test_several_channels_are_refused(tmp_path, pixels, options):
    write(tmp_path / "m.tif", pixels, **options)
    with pytest.raises(InputError, match="several channels or colours"):
        stacks.open_stack(tmp_path / "m.tif")


@pytest.mark.parametrize("shape", [(0, 6, 8), (4, 0, 8)])
def test_nothing_to_read_is_refused(tmp_path, shape):
    zarr.create_array(tmp_path / "m.zarr", shape=shape, dtype=np.uint16)
    frames, *sides = shape
    line = rf"m.zarr: {frames} frames of {sides[0]} x 8 px; expected at least one"
    with pytest.raises(InputError, match=line):
        stacks.open_stack(tmp_path / "m.zarr")


@pytest.mark.filterwarnings("ignore:.*zero-size array")
def test_an_empty_tiff_is_refused(tmp_path):
    for options, line in (
        ({"metadata": {"axes": "TYX"}}, "0 frames of 6 x 8 px; expected at least one"),
        ({}, "cannot be read as TIFF"),
    ):
        write(tmp_path / "m.tif", PIXELS[:0], **options)
        with pytest.raises(InputError, match=rf"m.tif: {line}") as error:
            stacks.open_stack(tmp_path / "m.tif")
        assert "\n" not in str(error.value)


def test_small_labels_may_be_saved_in_fewer_bits(tmp_path):
    folder = save(tmp_path / "m", "t", PIXELS)
    write(folder / "t000.tif", PIXELS[0].astype(np.uint8))
    assert load(folder).dtype == np.uint16
    np.testing.assert_array_equal(load(folder), PIXELS)


def load(path: Path) -> np.ndarray:
    return np.asarray(stacks.open_stack(path))


def _remove_a_frame(folder: Path) -> str:
    (folder / "t002.tif").unlink()
    return r"m: frame 2 is missing; expected a file for every frame from 0 \(t000.tif\) to 3"


def _repeat_a_number(folder: Path) -> str:
    write(folder / "u2.tif", PIXELS[0])
    return r"u2.tif: frame 2 is also t002.tif"


def _add_a_preview(folder: Path) -> str:
    write(folder / "preview.tif", PIXELS[0])
    return r"preview.tif: no frame number"


def _grow_a_frame(folder: Path) -> str:
    write(folder / "t002.tif", np.zeros((6, 9), np.uint16))
    return r"m: frame 2 has 6 x 9 px; expected 6 x 8 px"


def _turn_a_frame_into_floats(folder: Path) -> str:
    write(folder / "t002.tif", np.full((6, 8), 1.5, np.float32))
    return r"m: frame 2 is of type float32; expected whole numbers \(uint16\) as in the first"


def _damage_a_frame(folder: Path) -> str:
    file = folder / "t002.tif"
    file.write_bytes(file.read_bytes()[:-20])
    return r"t002.tif: (cannot be read|truncated or damaged)"


def _empty_the_folder(folder: Path) -> str:
    for file in folder.iterdir():
        file.unlink()
    return r"m: no TIFF in this folder"


@pytest.mark.parametrize(
    "spoil",
    [
        *(_remove_a_frame, _repeat_a_number, _add_a_preview),
        *(_grow_a_frame, _turn_a_frame_into_floats, _damage_a_frame, _empty_the_folder),
    ],
)
def test_a_folder_of_frames_that_is_not_whole(tmp_path, spoil):
    folder = save(tmp_path / "m", "t", PIXELS)
    load(folder)
    line = spoil(folder)
    with pytest.raises(InputError, match=line) as error:
        load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_stack_is_refused(tmp_path, compression, share):
    pixels = np.random.default_rng(0).integers(1, 9, (5, 40, 40), np.uint16)
    write(tmp_path / "m.tif", pixels, compression=compression)
    whole = (tmp_path / "m.tif").read_bytes()
    (tmp_path / "m.tif").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"m\.tif: (cannot be read|truncated)"):
        load(tmp_path / "m.tif")


def test_zarr_with_several_arrays_is_refused(tmp_path):
    group = zarr.open_group(tmp_path / "m.zarr", mode="w", zarr_format=2)
    for name in "01":
        group.create_array(name, data=PIXELS)
    with pytest.raises(InputError, match=r"2 arrays here .* Name the array itself"):
        load(tmp_path / "m.zarr")
    np.testing.assert_array_equal(load(tmp_path / "m.zarr/0"), PIXELS)


def test_a_damaged_zarr_is_refused(tmp_path):
    """Of one of its chunks only the first bytes are there."""
    path = tmp_path / "m.zarr"
    codec = zarr.codecs.GzipCodec()
    zarr.create_array(path, data=PIXELS, chunks=(1, 6, 8), compressors=codec)
    np.testing.assert_array_equal(load(path), PIXELS)
    chunk = path / "c/2/0/0"
    chunk.write_bytes(chunk.read_bytes()[:40])
    with pytest.raises(InputError, match=r"m\.zarr: cannot be read as Zarr"):
        load(path)


def test_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.tif: no such file or folder"):
        stacks.open_stack(tmp_path / "none.tif")


def test_memory_stays_small(tmp_path):
    """Only the frame that is asked for is read: the others may be damaged, and nobody notices."""
    folder = save(tmp_path / "m", "t", PIXELS)
    (folder / "t003.tif").write_bytes(b"no image")
    stack = stacks.open_stack(folder)
    np.testing.assert_array_equal(stack[:3], PIXELS[:3])
    with pytest.raises(InputError, match=r"t003\.tif"):
        stack[3]
