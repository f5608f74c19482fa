"""Files for other tools and a summary: drawn cells, every answer checked by eye."""

import json
import warnings

import geff
import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray as xr
from ctc_metrics.metrics import valid
from drawn import SHAPE, deep, family, merging, named_rows, nothing, squares

from magik import lineage, lineages, schema
from magik.errors import InputError


@pytest.fixture
def tracks() -> xr.Dataset:
    return family()


@pytest.fixture
def labels(tracks) -> np.ndarray:
    """Of the tracks; a speck of label 80 in frame 0 is no localization."""
    masks = squares(tracks)
    masks[0, 0, 0] = 80
    return masks


def _is_valid(folder) -> bool:
    """What the challenge's own check says of a result."""
    masks = sorted(folder.glob("mask*.tif"))
    found = [np.setdiff1d(tifffile.imread(mask), 0) for mask in masks]
    lines = np.loadtxt(folder / "res_track.txt", dtype=int, ndmin=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says what is wrong in warnings
        return bool(valid(masks, lines, found))


def _files(folder) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_the_layouts_of_drawn_tracks_are_the_real_ones(tracks):
    schema.check(tracks, schema.TRACKS, "tracks")
    schema.check(nothing(), schema.TRACKS, "nothing")


# challenge -----------------------------------------------------------------------------------


def test_challenge_lists_labels_cut_at_gaps(tmp_path, tracks, labels):
    """A = 1, D = 2 and, after its gap, 6; B = 3, C = 4, E = 5."""
    lineages.challenge(tracks, labels, tmp_path / "01_RES")
    assert (tmp_path / "01_RES" / "res_track.txt").read_text().splitlines() == [
        "1 0 2 0",
        "2 0 1 0",
        "3 3 5 1",
        "4 3 5 1",
        "5 5 5 0",
        "6 4 5 2",
    ]
    masks = [tifffile.imread(tmp_path / "01_RES" / f"mask{t:03d}.tif") for t in range(6)]
    assert all(mask.dtype == np.uint16 for mask in masks)
    names = {30: [1] * 3, 90: [2, 2, 0, 0, 6, 6], 40: [3] * 6, 50: [4] * 6, 70: [5] * 6}
    for t, mask in enumerate(masks):
        expected = np.zeros(SHAPE, int)
        for old, new in names.items():
            expected[labels[t] == old] = new[t] if t < len(new) else 0
        np.testing.assert_array_equal(mask, expected)
    assert labels[0, 0, 0] == 80
    assert masks[0][0, 0] == 0, "what is no localization is no cell of the result"


@pytest.mark.parametrize("kind", ["masks", "discs", "masks, 3D", "discs, 3D"])
def test_challenge_is_valid(tmp_path, tracks, labels, kind):
    solid = "3D" in kind
    masks = np.stack([labels * 0, labels, labels], axis=1) if solid else labels
    folder = tmp_path / "01_RES"
    lineages.challenge(
        deep(tracks) if solid else tracks, masks if "masks" in kind else None, folder
    )
    assert _is_valid(folder)
    assert tifffile.imread(folder / "mask000.tif").shape == ((3, *SHAPE) if solid else SHAPE)

    lost = tifffile.imread(folder / "mask003.tif")
    tifffile.imwrite(folder / "mask003.tif", np.where(lost == 3, 0, lost), photometric="minisblack")
    assert not _is_valid(folder), "test invalid"


def test_a_cell_that_divides_into_the_frames_after_a_gap(tmp_path, tracks):
    """Its daughters' parent is the last part of it."""
    frame = tracks["frame"].to_numpy()
    tracks["frame"] = ("localization", np.where(frame >= 2, frame + 1, frame))  # A: 0, 1, 3
    tracks["n_frames"] = ("video", [7])
    lineages.challenge(tracks, None, tmp_path / "01_RES")
    lines = np.loadtxt(tmp_path / "01_RES" / "res_track.txt", dtype=int)
    assert lines.tolist() == [
        [1, 0, 1, 0], [2, 0, 1, 0], [3, 4, 6, 6], [4, 4, 6, 6], [5, 6, 6, 0], [6, 3, 3, 1],
        [7, 5, 6, 2],
    ]  # fmt: skip
    assert _is_valid(tmp_path / "01_RES")


def test_discs_reach_half_way_to_the_nearest_cell(tmp_path):
    """Two cells 6 px apart along y: discs of radius 3. Moved to 20 px: of LARGEST_DISC = 5."""
    row = "localization"
    two = xr.Dataset(
        {"row_size": ("video", [2]), "n_frames": ("video", [1]), "frame": (row, [0, 0]),
         "x": (row, [10.5, 10.5]), "y": (row, [2.5, 8.5])},
        attrs={"field_of_view": [32, 24]},
    )  # fmt: skip
    for y, radius in ((8.5, 3), (22.5, 5)):
        two["y"] = (row, [2.5, y])
        case = lineage.tracks_of_links(two, np.zeros((2, 0), int), "none")
        lineages.challenge(case, None, tmp_path / f"{radius}")
        mask = tifffile.imread(tmp_path / f"{radius}" / "mask000.tif")
        assert mask[[2, int(y)], 10].tolist() == [1, 2]
        assert mask[2, 10 + radius] == mask[2, 10 - radius] == 1
        assert mask[2, 10 + radius + 1] == mask[2, 10 - radius - 1] == 0


def test_discs_of_a_crowd_are_all_there(tmp_path):
    """Nine cells in one pixel at the edge, one beyond it: each keeps a pixel at least."""
    row = "localization"
    crowd = xr.Dataset(
        {
            "row_size": ("video", [10]),
            "n_frames": ("video", [1]),
            "frame": (row, np.zeros(10, int)),
            "x": (row, np.append(np.full(9, 0.5), -0.9)),
            "y": (row, np.append(np.linspace(3.1, 3.9, 9), 4.2)),
        },
        attrs={"field_of_view": [6, 6]},
    )
    crowd = lineage.tracks_of_links(crowd, np.zeros((2, 0), int), "none")
    lineages.challenge(crowd, None, tmp_path / "01_RES")
    mask = tifffile.imread(tmp_path / "01_RES" / "mask000.tif")
    assert set(range(1, 11)) <= set(mask.ravel().tolist())
    assert mask[3, 0] == 1, "the first one stays"


def test_of_tracks_that_merge_one_parent_is_left_and_the_log_says_so(tmp_path, capsys):
    """A = 1 and B = 2 meet in C = 3, which divides."""
    lineages.challenge(merging(), squares(merging()), tmp_path / "01_RES")
    lines = (tmp_path / "01_RES" / "res_track.txt").read_text().splitlines()
    assert lines == ["1 0 1 0", "2 0 1 0", "3 2 2 1", "4 3 4 3", "5 3 4 3"]
    assert _is_valid(tmp_path / "01_RES")
    assert "01_RES: 1 links of tracks that merge are left out" in capsys.readouterr().out
    lineages.challenge(family(), None, tmp_path / "02_RES")
    assert capsys.readouterr().out == "", "test invalid"


def test_a_large_volume_is_drawn_smaller(tmp_path, tracks, monkeypatch):
    """3 x 24 x 32 px into 200 voxels or fewer: a third of each side, 1 x 8 x 11."""
    monkeypatch.setattr(lineages, "MOST_VOXELS", 200)
    lineages.challenge(deep(tracks), None, tmp_path / "01_RES")
    masks = [tifffile.imread(tmp_path / "01_RES" / f"mask{t:03d}.tif") for t in range(6)]
    assert {mask.shape for mask in masks} == {(1, 8, 11)}
    names = {30: 1, 90: 2, 40: 3, 50: 4, 70: 5}
    for t, name, y, x in named_rows(tracks):
        expected = 6 if name == 90 and t > 1 else names[name]
        assert masks[t][0, int(y / 3), int(x / 3)] == expected
    assert _is_valid(tmp_path / "01_RES")
    lineages.challenge(tracks, None, tmp_path / "02_RES")
    assert tifffile.imread(tmp_path / "02_RES" / "mask000.tif").shape == SHAPE, "images stay"


def test_a_large_image_is_drawn_smaller(tmp_path, tracks, monkeypatch):
    """24 x 32 px into 200 or fewer: half of each side."""
    monkeypatch.setattr(lineages, "MOST_PIXELS", 200)
    lineages.challenge(tracks, None, tmp_path / "01_RES")
    mask = tifffile.imread(tmp_path / "01_RES" / "mask000.tif")
    assert mask.shape == (12, 16)
    seen = [int(mask[int(y / 2), int(x / 2)]) for t, _, y, x in named_rows(tracks) if t == 0]
    assert seen == [1, 2]
    assert _is_valid(tmp_path / "01_RES")


def test_no_two_cells_share_a_voxel_of_a_smaller_volume(tmp_path, monkeypatch):
    """Eight cells in neighbouring px, which become one voxel: each has one of its own nearby."""
    monkeypatch.setattr(lineages, "MOST_VOXELS", 4**3)
    row = "localization"
    z, y, x = np.indices((2, 2, 2)).reshape(3, -1) + 6.5
    crowd = xr.Dataset(
        {"row_size": ("video", [9]), "n_frames": ("video", [1]), "frame": (row, np.zeros(9, int)),
         "x": (row, np.append(x, 0.5)), "y": (row, np.append(y, 0.5)),
         "z": (row, np.append(z, 15.5))},
        attrs={"field_of_view": [16, 16]},
    )  # fmt: skip
    crowd = lineage.tracks_of_links(crowd, np.zeros((2, 0), int), "none")
    lineages.challenge(crowd, None, tmp_path / "01_RES")
    mask = tifffile.imread(tmp_path / "01_RES" / "mask000.tif")
    assert mask.shape == (4, 4, 4)
    assert np.unique(mask).tolist() == list(range(10))
    for label in range(1, 9):
        assert np.abs(np.argwhere(mask == label) - 1).max() <= 1, "next to its voxel (1, 1, 1)"
    assert (mask == 9).sum() == 1


def test_positions_that_are_no_px_are_refused(tmp_path):
    row = "localization"
    tiny = xr.Dataset(
        {"row_size": ("video", [2]), "n_frames": ("video", [1]), "frame": (row, [0, 0]),
         "x": (row, [0.1, 0.2]), "y": (row, [0.1, 0.2])},
        attrs={"field_of_view": [1, 1]},
    )  # fmt: skip
    tiny = lineage.tracks_of_links(tiny, np.zeros((2, 0), int), "none")
    with pytest.raises(InputError, match="2 localizations in one frame of 1 x 1 px"):
        lineages.challenge(tiny, None, tmp_path / "01_RES")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("first", "names"), [(5, "005 010"), (998, "0998 1003")])
def test_files_are_numbered_as_the_recording(tmp_path, tracks, labels, first, names):
    lineages.challenge(tracks, labels, tmp_path / "01_RES", first_frame=first)
    files = sorted(file.name for file in (tmp_path / "01_RES").glob("*.tif"))
    assert [files[0], files[-1]] == [f"mask{name}.tif" for name in names.split()]
    lines = np.loadtxt(tmp_path / "01_RES" / "res_track.txt", dtype=int)
    assert lines[0].tolist() == [1, first, first + 2, 0]


@pytest.mark.parametrize("kind", ["discs", "masks", "discs, 3D"])
def test_a_recording_without_cells(tmp_path, kind):
    folder = tmp_path / "01_RES"
    empty = deep(nothing()) if "3D" in kind else nothing()
    lineages.challenge(empty, np.ones((3, *SHAPE), np.uint8) if kind == "masks" else None, folder)
    assert (folder / "res_track.txt").read_text() == ""
    assert not tifffile.imread(folder / "mask002.tif").any()


def test_more_labels_than_uint16_holds_leave_a_word_in_the_folder(tmp_path, capsys):
    """All else of a recording is written all the same."""
    many, row = 65_536, "localization"
    alone = xr.Dataset(
        {
            "row_size": ("video", [many]),
            "n_frames": ("video", [1]),
            "frame": (row, np.zeros(many, int)),
            "x": (row, np.zeros(many)),
            "y": (row, np.zeros(many)),
            "track": (row, np.arange(many)),
            "parent": ("track", np.full(many, -1)),
        },
        attrs={"field_of_view": [256, 256]},
    )
    lineages.challenge(alone, None, tmp_path / "01_RES")
    files = _files(tmp_path)
    assert list(files) == ["01_RES/README.txt"]
    assert b"left empty: 65,536 labels, but a Cell Tracking" in files["01_RES/README.txt"]
    assert "01_RES: left empty: 65,536 labels" in capsys.readouterr().out


def test_masks_of_another_recording_are_refused(tmp_path, tracks, labels):
    lacking = labels.copy()
    lacking[4][lacking[4] == 90] = 0
    with pytest.raises(InputError, match=r"01_RES: frame 4: no pixel .* label 90"):
        lineages.challenge(tracks, lacking, tmp_path / "01_RES")
    with pytest.raises(InputError, match="masks of 5 frames, tracks of 6"):
        lineages.challenge(tracks, labels[:5], tmp_path / "01_RES")
    twice = tracks.assign(label=tracks["label"].where(tracks["label"] != 50, 40))
    with pytest.raises(InputError, match="a label for each localization"):
        lineages.challenge(twice, labels, tmp_path / "01_RES")
    assert list(tmp_path.iterdir()) == [], "whole or not at all"


def test_a_folder_that_holds_something_is_left_alone(tmp_path, tracks, labels):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        lineages.challenge(tracks, labels, tmp_path)
    with pytest.raises(InputError, match="not empty"):
        lineages.geff(tracks, tmp_path)
    assert _files(tmp_path) == {"mine.txt": b"mine"}


# tables --------------------------------------------------------------------------------------


def test_table_names_tracks_and_parents(tracks):
    table = lineages.table(tracks, pixel_size_um=0.5, frame_interval_s=60)
    ours = table[table["label"] == 40]
    assert ours["track_id"].tolist() == [3, 3, 3]
    assert ours["parent_id"].tolist() == [1, 1, 1]
    assert table[table["label"] == 90]["parent_id"].tolist() == [0] * 4
    assert ours["frame"].tolist() == [10, 11, 12], "numbered as in the recording"
    assert ours["time_s"].tolist() == [180, 240, 300]
    assert ours["y_px"].tolist() == [5.5] * 3
    assert ours["y_um"].tolist() == [2.75] * 3
    assert ours["area"].tolist() == [9] * 3, "what else the store has of it"
    plain = lineages.table(deep(tracks))
    assert list(plain.columns) == [
        "track_id", "parent_id", "frame", "x_px", "y_px", "z_px", "area", "label"
    ]  # fmt: skip


def test_columns_of_a_recording_do_not_replace_those_of_the_table(tracks):
    row, own = "localization", np.full(tracks.sizes["localization"], -5.0)
    names = ("track_id", "parent_id", "time_s", "x_px", "y_um", "parent_track")
    more = tracks.assign(dict.fromkeys(names, (row, own)))
    table = lineages.table(more, pixel_size_um=0.5, frame_interval_s=60)
    plain = lineages.table(tracks, pixel_size_um=0.5, frame_interval_s=60)
    assert table[list(plain.columns)].equals(plain)
    assert set(table.columns) - set(plain.columns) == {"parent_track"}
    assert lineages.table(more)["time_s"].tolist() == own.tolist(), "no time of ours beside it"


def test_a_table_that_was_given_comes_back_whole(tracks):
    """In its own order of rows, here the reverse; what says the same as ours stands there once."""
    rows = tracks.sizes["localization"]
    given = pd.DataFrame(
        {
            "note": [f"cell {row}" for row in range(rows)],
            "frame": tracks["frame"].to_numpy() + 7,
            "x_px": tracks["x"].to_numpy() + 1,
            "track_id": np.arange(rows) + 100,
            "parent_id": "nobody",
            "track_id_given": 0.5,
        },
        index=np.arange(rows)[::-1],
    )
    table = lineages.table(tracks, 0.5, 60, given)
    plain = lineages.table(tracks, 0.5, 60).drop(columns=["area", "label"])
    assert table[list(plain)].reset_index(drop=True).equals(plain[::-1].reset_index(drop=True))
    assert list(table)[len(plain.columns) :] == [
        "note", "x_px_given", "track_id_given_given", "parent_id_given", "track_id_given"
    ]  # fmt: skip
    assert table["note"].tolist() == given["note"].tolist()[::-1]
    assert table["track_id_given_given"].tolist() == given["track_id"].tolist()[::-1]
    assert table["x_px_given"].to_numpy() == pytest.approx(table["x_px"].to_numpy() + 1)
    with pytest.raises(InputError, match=r"table of 13 rows, tracks of 14 .* changed since\?"):
        lineages.table(tracks, given=given[1:])


def test_napari_counts_from_the_centre_of_the_first_pixel(tracks):
    rows = lineages.napari(tracks)
    assert list(rows.columns) == ["track_id", "t", "y", "x"]
    assert rows[rows["track_id"] == 2].to_numpy().tolist() == [
        [2, 7, 20, 26], [2, 8, 20, 25], [2, 11, 20, 22], [2, 12, 20, 21]
    ]  # fmt: skip
    assert rows.equals(rows.sort_values(["track_id", "t"]))
    assert list(lineages.napari(deep(tracks)).columns) == ["track_id", "t", "z", "y", "x"]
    assert lineages.napari_graph(tracks) == {3: [1], 4: [1]}
    text = json.dumps(lineages.napari_graph(tracks))
    assert {int(one): parents for one, parents in json.loads(text).items()} == {3: [1], 4: [1]}


def test_no_parent_of_tracks_that_merge_is_lost(tmp_path):
    tracks = merging()
    schema.check(tracks, schema.TRACKS, "tracks")
    assert lineages.napari_graph(tracks) == {3: [1, 2], 4: [3], 5: [3]}
    lineages.geff(tracks, tmp_path / "g.geff")
    graph, _ = geff.read(tmp_path / "g.geff")
    names = [[graph.nodes[n]["label"] for n in ends] for ends in graph.edges]
    assert sorted(names) == [
        [10, 10], [10, 30], [20, 20], [20, 30], [30, 40], [30, 50], [40, 40], [50, 50]
    ]  # fmt: skip
    table = lineages.table(tracks).set_index("label")
    assert table.loc[30, ["parent_id", "parent_ids"]].tolist() == [1, "1 2"]
    assert table.loc[50, "parent_ids"].tolist() == ["3", "3"]
    assert table.loc[20, "parent_ids"].tolist() == ["", ""]
    said = lineages.summary(tracks)
    assert (said["divisions"], said["merges"]) == (1, 1)


@pytest.mark.parametrize("solid", [False, True])
def test_geff_reads_back(tmp_path, tracks, solid):
    lineages.geff(deep(tracks) if solid else tracks, tmp_path / "g.geff", 0.5, 60)
    graph, about = geff.read(tmp_path / "g.geff")  # checks the structure
    assert [axis.name for axis in about.axes] == ["t", *("zyx" if solid else "yx")]
    assert [axis.scale for axis in about.axes] == [60, *[0.5] * (len(about.axes) - 1)]
    assert [axis.scaled_unit for axis in about.axes[:2]] == ["second", "micrometer"]
    lines = {(t + 7, name) for t, name, _, _ in named_rows(tracks)}
    assert {(node["t"], node["label"]) for _, node in graph.nodes(data=True)} == lines
    d = [node for _, node in graph.nodes(data=True) if node["track_id"] == 2]
    assert [(node["t"], node["y"], node["x"]) for node in d] == [
        (7, 20, 26), (8, 20, 25), (11, 20, 22), (12, 20, 21)
    ]  # fmt: skip
    ends = [[(graph.nodes[n]["t"], graph.nodes[n]["label"]) for n in e] for e in graph.edges]
    assert len(ends) == 11
    assert [(8, 90), (11, 90)] in ends
    assert [e for e in ends if e[0] == (9, 30)] == [[(9, 30), (10, 40)], [(9, 30), (10, 50)]]


def test_geff_without_links_or_cells(tmp_path, tracks):
    alone = lineage.tracks_of_links(
        tracks.drop_vars(("track", "parent")), np.zeros((2, 0), int), "none"
    )
    for name, case, nodes in (("alone", alone, 14), ("nothing", nothing(), 0)):
        lineages.geff(case, tmp_path / name)
        graph, about = geff.read(tmp_path / name)
        assert (len(graph.nodes), len(graph.edges)) == (nodes, 0)
        assert about.axes[0].scale is None


def test_same_tracks_same_bytes(tmp_path, tracks):
    moved = tracks.assign(x=tracks["x"] + 2)
    contents = []
    for name, case in (("one", tracks), ("two", tracks.copy(deep=True)), ("moved", moved)):
        folder = tmp_path / name
        lineages.challenge(case, None, folder / "01_RES")
        lineages.geff(case, folder / "g.geff")
        contents.append(_files(folder))
    one, two, other = contents
    assert one == two
    for part in ("mask000", "g.geff/nodes/props/x"):
        changed = {name for name in one if part in name and one[name] != other[name]}
        assert changed, "test invalid"


def test_nothing_stands_where_writing_failed(tmp_path, tracks, labels, monkeypatch):
    def broken(path, *_, **__):
        path.write_bytes(b"half")
        raise OSError("disc full")

    monkeypatch.setattr(tifffile, "imwrite", broken)
    with pytest.raises(OSError, match="disc full"):
        lineages.challenge(tracks, labels, tmp_path / "01_RES")
    assert list(tmp_path.iterdir()) == []


# summary -------------------------------------------------------------------------------------


def _edges(**trained_on) -> xr.Dataset:
    return xr.Dataset(attrs={"trained_on": json.dumps(trained_on), "max_lag": 2})


def test_summary_counts(tracks):
    said = lineages.summary(tracks, _edges(spacing_steps=[1, 2], unheard_of="of"))
    assert said.pop("warnings") == [
        "7% of the localizations are linked to no other: they may be no cells, or move farther "
        "between frames than the network looks. See the overlay movie."
    ]
    assert said == {
        "frames": 6,
        "localizations": 14,
        "tracks": 5,
        "divisions": 1,
        "merges": 0,
        "median_track_frames": 3,  # of 3, 6, 3, 3, 1
        "gaps_bridged": 1,
        "stage_jumps": 0,
        "unlinked_localizations": 1,
    }
    json.dumps(said, allow_nan=False)


def test_summary_counts_jumps_of_the_stage(tracks):
    """One along x before frame 2, one along y and x before frame 4: not one for each cell."""
    frame = tracks["frame"]
    x, y = 7.0 * ((frame >= 2) & (frame < 4)), 3.0 * (frame >= 4)
    jumped = tracks.assign(drift_x=x, drift_y=y)
    assert lineages.summary(jumped)["stage_jumps"] == 2


def test_an_only_daughter_is_no_division(tracks):
    only = tracks.assign(parent=("track", [-1, -1, 0, -1, -1]))
    assert lineages.summary(only)["divisions"] == 0


@pytest.mark.parametrize(
    ("trained_on", "words"),
    [
        ({"density": [0.1, 0.2]}, "0.003 localizations per px² and frame; .* 0.1 to 0.2"),
        ({"frames": [10, 84]}, "has 6 frames; the network was trained on at least 10"),
    ],
)
def test_summary_warns_of_what_the_network_does_not_know(tracks, trained_on, words):
    calm = {"density": [0.001, 0.2], "frames": [2, 84]}
    assert len(lineages.summary(tracks, _edges(**calm))["warnings"]) == 1, "of unlinked ones"
    warning, _ = lineages.summary(tracks, _edges(**calm | trained_on))["warnings"]
    assert pd.Series([warning]).str.contains(words).all()


def test_density_is_no_matter_to_a_network_that_sees_spacings(tracks):
    crowded = {"density": [0.1, 0.2], "frames": [2, 84]}
    for unit, told in (("field_of_view", True), ("spacing", False)):
        said = lineages.summary(tracks, _edges(**crowded, unit=unit))
        assert any("per px² and frame" in warning for warning in said["warnings"]) == told


def test_summary_of_nothing_and_of_a_single_frame(tracks):
    said = lineages.summary(nothing(), _edges(density=[1, 2]))
    assert said["warnings"] == ["There is no localization: nothing was tracked."]
    assert said["median_track_frames"] is None
    single = schema.first_frames(tracks.drop_vars(("track", "parent")), 1)
    alone = lineage.tracks_of_links(single, np.zeros((2, 0), int), "none")
    assert "a single frame" in lineages.summary(alone)["warnings"][0]
