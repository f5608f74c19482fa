"""A store is whole or not there, says what made it, and the same content has the same bytes."""

import json
import zipfile

import numpy as np
import pytest
import xarray as xr
from safetensors.numpy import save_file

from magik import schema, store
from magik.errors import InputError


@pytest.fixture
def movie() -> xr.Dataset:
    """Two videos of 3 and 2 images, every pixel of its own value."""
    counts = np.arange(5 * 4 * 6, dtype=np.uint16).reshape(5, 4, 6)
    return xr.Dataset(
        {"counts": (("image", "y", "x"), counts), "row_size": ("video", [3, 2])},
        attrs={"field_of_view": [4, 6]},
    )


@pytest.fixture
def saved(movie, tmp_path):
    path = tmp_path / "deep" / "movie.zarr.zip"
    store.save(movie, path, schema.MOVIE, seed=3, render={"background": 10})
    return path


def refused(path, layout=schema.MOVIE) -> str:
    with pytest.raises(InputError) as error:
        store.load(path, layout)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(path))
    return str(error.value)


def test_what_is_saved_comes_back(saved, movie):
    again = store.load(saved, schema.MOVIE)
    xr.testing.assert_equal(again, movie)
    assert again["counts"].dtype == np.uint16
    assert list(again.attrs["field_of_view"]) == [4, 6]
    assert again["counts"].attrs["units"] == "counts"


def test_saving_leaves_the_data_set_alone(movie, tmp_path):
    store.save(movie, tmp_path / "movie.zarr.zip", schema.MOVIE)
    assert movie["counts"].attrs == {}
    assert set(movie.attrs) == {"field_of_view"}


def test_a_store_says_what_made_it(saved):
    provenance = json.loads(store.load(saved, schema.MOVIE).attrs["provenance"])
    assert provenance["seed"] == 3
    assert provenance["render"] == {"background": 10}
    assert {"magik", "numpy", "python", "scikit-learn"} <= set(provenance["versions"])


def test_the_same_content_has_the_same_bytes(saved, movie, tmp_path):
    again = tmp_path / "again.zarr.zip"
    store.save(movie, again, schema.MOVIE, seed=3, render={"background": 10})
    assert again.read_bytes() == saved.read_bytes()
    store.save(movie, again, schema.MOVIE, seed=4, render={"background": 10})
    assert again.read_bytes() != saved.read_bytes(), "test invalid"


def test_nothing_stands_beside_or_instead_of_a_store(saved, movie, tmp_path):
    assert [path.name for path in saved.parent.iterdir()] == ["movie.zarr.zip"]
    path = tmp_path / "wrong.zarr.zip"
    with pytest.raises(InputError, match="no variable 'row_size'"):
        store.save(movie.drop_vars("row_size"), path, schema.MOVIE)
    assert not path.exists()


def test_an_interrupted_writing_leaves_the_old_store(saved, movie, monkeypatch):
    before = saved.read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "_pack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.save(movie * 2, saved, schema.MOVIE)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["movie.zarr.zip"]


@pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
def test_a_truncated_store_is_refused(saved, part):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(part * len(content))])
    assert "truncated or damaged. Delete it and run snakemake again." in refused(saved)


def test_a_damaged_chunk_is_refused(saved):
    """The list of contents, at the end of the file, is whole."""
    with zipfile.ZipFile(saved) as archive:
        chunk = next(i for i in archive.infolist() if i.filename.endswith("counts/0.0.0"))
    content = bytearray(saved.read_bytes())
    begin = chunk.header_offset + 30 + len(chunk.filename)
    content[begin : begin + chunk.file_size] = bytes(chunk.file_size)
    saved.write_bytes(content)
    assert "cannot be read" in refused(saved)


def test_another_kind_of_store_and_none_are_refused(saved, tmp_path):
    expected = f"holds movie version 1; expected graphs version {schema.GRAPHS.version}"
    assert expected in refused(saved, schema.GRAPHS)
    assert "no such store of movie" in refused(tmp_path / "none.zarr.zip")


def test_a_slice_reads_only_its_chunks(tmp_path, monkeypatch):
    """A set larger than memory can be worked on: an opened store is read where it is touched."""
    monkeypatch.setattr(store, "CHUNK_BYTES", 4 * 6 * 2)  # one image
    counts = np.zeros((50, 4, 6), np.uint16)
    movie = xr.Dataset(
        {"counts": (("image", "y", "x"), counts), "row_size": ("video", [50])},
        attrs={"field_of_view": [4, 6]},
    )
    path = tmp_path / "movie.zarr.zip"
    store.save(movie, path, schema.MOVIE)
    read = []
    unspied = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile,
        "open",
        lambda self, name, *a, **k: read.append(str(name)) or unspied(self, name, *a, **k),
    )
    with store.open(path, schema.MOVIE) as opened:
        read.clear()
        opened["counts"][7:9].to_numpy()
    assert len([name for name in read if "counts" in name]) == 2


def test_an_empty_data_set_can_be_stored(tmp_path):
    empty = xr.Dataset(
        {
            "row_size": ("video", [0]),
            "n_frames": ("video", [4]),
            "frame": ("localization", np.zeros(0, int)),
            "x": ("localization", np.zeros(0)),
            "y": ("localization", np.zeros(0)),
        },
        attrs={"field_of_view": [32, 32]},
    )
    store.save(empty, tmp_path / "empty.zarr.zip", schema.LOCALIZATIONS)
    xr.testing.assert_equal(store.load(tmp_path / "empty.zarr.zip", schema.LOCALIZATIONS), empty)


def test_a_checkpoint_is_asked_without_torch(tmp_path):
    """What it says of itself lies in its header; damage is told in one line."""
    path = tmp_path / "checkpoint.safetensors"
    save_file({"w": np.zeros(3)}, path, metadata={"magik": '{"trained_on": {"radius": 2}}'})
    assert store.said_by(path) == {"trained_on": {"radius": 2}}
    with pytest.raises(InputError, match="no such checkpoint"):
        store.said_by(tmp_path / "none.safetensors")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match="not a whole checkpoint of magik"):
        store.said_by(path)
    save_file({"w": np.zeros(3)}, path)
    with pytest.raises(InputError, match="not a whole checkpoint of magik"):
        store.said_by(path)
