"""Candidate edges and targets, on drawings that a reader can check by eye."""

import json

import numpy as np
import pytest
from drawn import brownian, crossing, dividing, video

from magik import graphs, schema
from magik.config import Graph
from magik.errors import InputError


def ends(graph) -> set[tuple[int, int]]:
    return set(zip(*graph["edge_index"].to_numpy().tolist(), strict=True))


def test_edges_join_what_is_near_in_space_and_later_in_time():
    """Reach 3 px of 10, lag 2: node 1 is near node 0, node 2 too far, node 3 too late."""
    drawn = video([(0, 5, 5, 0), (1, 6, 5, 0), (1, 9, 5, 1), (3, 5, 5, 0)])
    graph = graphs.build(drawn, Graph(radius=0.3, max_lag=2))
    assert ends(graph) == {(0, 1), (1, 3)}
    np.testing.assert_allclose(graph["distance"], [0.1, 0.1], rtol=1e-6)


def test_edges_are_those_of_brute_force():
    drawn = brownian(videos=3, frames=7, particles=12, seed=0)
    graph = graphs.build(drawn, Graph(radius=0.2, max_lag=2))
    x, y, t = (drawn[name].to_numpy() for name in ("x", "y", "frame"))
    video_of = schema.row_of(drawn["row_size"].to_numpy())
    lag = t[None] - t[:, None]
    near = np.hypot(x[None] - x[:, None], y[None] - y[:, None]) <= 0.2 * 32
    truth = near & (lag >= 1) & (lag <= 2) & (video_of[None] == video_of[:, None])
    start = schema.offsets(drawn["row_size"].to_numpy())
    edge_video = np.repeat(np.arange(3), graph["n_edge"])
    sender, receiver = graph["edge_index"].to_numpy() + start[edge_video]
    found = np.zeros_like(truth)
    found[sender, receiver] = True
    assert np.array_equal(found, truth)
    assert len(sender) == truth.sum(), "an edge was found twice"
    assert np.all(np.diff(receiver) >= 0), "edges must stand in the order of their receiver"


def test_a_link_joins_a_detection_to_the_next_of_its_particle():
    """The edge 0 -> 2 of an unbroken track is none; the one over a missed detection is."""
    drawn = video([(0, 5, 5, 0), (1, 5, 5, 0), (2, 5, 5, 0), (0, 7, 5, 1), (2, 7, 5, 1)])
    graph = graphs.build(drawn, Graph(radius=0.1, max_lag=2))
    rows = {
        tuple(ends): bool(is_link)
        for *ends, is_link in zip(
            *graph["edge_index"].to_numpy().tolist(), graph["linked"].to_numpy(), strict=True
        )
    }
    a0, b0, a1, a2, b2 = range(5)
    assert rows == {(a0, a1): True, (a1, a2): True, (a0, a2): False, (b0, b2): True}


def test_a_false_positive_has_no_links():
    drawn = video([(0, 5, 5, -1), (1, 5, 5, -1)])
    graph = graphs.build(drawn, Graph(radius=0.1))
    assert graph.sizes["edge"] == 1
    assert not graph["linked"].any()


def test_the_crossing_is_a_trap_for_nearest_neighbours():
    """The negative control of the drawing itself: at the crossing the wrong edge is shorter."""
    graph = graphs.build(crossing(), Graph(radius=0.5, max_lag=1))
    sender = graph["edge_index"].to_numpy()[0]
    middle = graph["frame"].to_numpy()[sender] == 1
    linked = graph["linked"].to_numpy()
    distance = graph["distance"].to_numpy()
    assert distance[middle & linked].min() > distance[middle & ~linked].min()


def test_distances_are_in_fields_of_view_and_displacements_point_forward():
    graph = graphs.build(video([(0, 2, 5, 0), (1, 5, 1, 0)], side=20), Graph(radius=0.5))
    row = dict(zip(graph.attrs["edge_feature"], graph["edge_features"].to_numpy()[0], strict=True))
    expected = {"distance": 0.25, "lag": 1, "displacement_x": 0.15, "displacement_y": -0.2}
    expected["log_distance"] = np.log(0.25 + 0.5 * graphs.RESOLVED)
    assert row == pytest.approx(expected)
    nodes = dict(
        zip(graph.attrs["node_feature"], graph["node_features"].to_numpy()[0], strict=True)
    )
    expected = {"x": 0.1, "y": 0.25, "intensity": 50, "relative_intensity": 1}
    assert nodes == pytest.approx(expected)


def test_relative_intensity_does_not_depend_on_the_camera():
    drawn = brownian(2, 6, 5, seed=0)
    brighter = drawn.copy()
    gain = np.where(np.arange(60) < 30, 1, 7)  # of the second video
    brighter["intensity"] = drawn["intensity"] * gain
    one, other = (graphs.build(each, Graph()) for each in (drawn, brighter))
    column = one.attrs["node_feature"].index("relative_intensity")
    found = [each["node_features"].to_numpy()[:, column] for each in (one, other)]
    np.testing.assert_allclose(*found, rtol=1e-6)
    assert np.median(found[0][:30]) == pytest.approx(1)
    spacing = graphs.build(drawn, Graph(unit="spacing"))
    assert "relative_intensity" not in spacing.attrs["node_feature"], "there all is"


def test_a_network_trained_elsewhere_brings_its_length():
    near = graphs.build(video([(0, 2, 5, 0), (1, 5, 1, 0)], side=200), Graph(radius=0.3), 20.0)
    assert near.sizes["edge"] == 1
    far = graphs.build(video([(0, 2, 5, 0), (1, 5, 1, 0)], side=200), Graph(radius=0.01), 20.0)
    assert far.sizes["edge"] == 0


def test_depth_counts_only_where_the_graph_asks_for_it():
    """Two localizations, one above the other: near in the plane, far in space."""
    deep = video([(0, 5, 5, 0), (1, 5, 5, 0)]).assign(z=("localization", [0.0, 9.0]))
    assert graphs.build(deep, Graph()).sizes["edge"] == 1
    space = Graph(axes=("x", "y", "z"))
    assert graphs.build(deep, space).sizes["edge"] == 0
    flat = graphs.build(deep.drop_vars("z"), space)
    assert flat.sizes["edge"] == 1, "without z all lie at z = 0"
    assert flat.attrs["node_feature"][:3] == ["x", "y", "z"]


@pytest.mark.parametrize("far", [500, 1e12])
@pytest.mark.parametrize("axes", [("x", "y"), ("x", "y", "z")])
def test_no_edge_is_lost_between_the_cells_of_the_search(axes, far):
    """Positions on a lattice lie on the borders of cells, and one lies far off."""
    rng = np.random.default_rng(0)
    place = rng.integers(-4, 5, (60, 3)) * 2.0
    place[7] = far, -far / 2, 40
    frame = np.sort(rng.integers(0, 6, 60))
    drawn = video([(t, x, y, -1) for t, (x, y, _) in zip(frame, place, strict=True)])
    drawn = drawn.assign(z=("localization", place[:, 2]))
    graph = graphs.build(drawn, Graph(radius=0.4, max_lag=3, axes=axes))
    seen = place[:, : len(axes)]
    lag = frame[None] - frame[:, None]
    near = ((seen[None] - seen[:, None]) ** 2).sum(axis=2) <= 4.0**2 + 1e-9
    assert ends(graph) == set(zip(*np.nonzero(near & (lag >= 1) & (lag <= 3)), strict=True))


@pytest.mark.parametrize(
    "rows", [[], [(0, 5, 5, 0)], [(0, 5, 5, 0), (9, 5, 5, 0)]], ids=["empty", "one", "far apart"]
)
def test_a_video_without_edges_is_a_graph(rows):
    graph = graphs.build(video(rows, frames=10), Graph())
    assert graph.sizes["edge"] == 0
    assert graph.sizes["node"] == len(rows)
    schema.check(graph, schema.GRAPHS, "here")


def test_batches_of_the_search_change_nothing(monkeypatch):
    drawn = brownian(videos=5, frames=6, particles=5, seed=1)
    whole = graphs.build(drawn, Graph())
    monkeypatch.setattr(graphs, "BATCH", 40)
    assert whole.identical(graphs.build(drawn, Graph()))


@pytest.mark.parametrize("batch", [1, 7, 12, 40])
def test_a_long_video_is_searched_some_frames_at_a_time(batch, monkeypatch):
    """Frames of 5 rows, some of them empty: few more rows than a batch are searched at once."""
    drawn = brownian(videos=2, frames=30, particles=5, seed=1)
    drawn = drawn.assign(frame=drawn["frame"] + 3 * (drawn["frame"] > 12))
    drawn["n_frames"] += 3
    config = Graph(radius=0.4, max_lag=3)
    whole, sizes, real = graphs.build(drawn, config), [], graphs._edges
    monkeypatch.setattr(graphs, "BATCH", batch)
    monkeypatch.setattr(graphs, "_edges", lambda *a: sizes.append(len(a[0])) or real(*a))
    assert whole.identical(graphs.build(drawn, config))
    assert max(sizes) <= batch + 5 + 3 * 5
    assert len(sizes) >= 300 // (batch + 5)


def test_one_far_off_does_not_make_candidates_of_all_others(monkeypatch):
    drawn = brownian(videos=1, frames=4, particles=200, seed=0, side=320)
    drawn["x"][3] = 1e9
    compared, real = [], np.flatnonzero
    monkeypatch.setattr(
        graphs.np, "flatnonzero", lambda near: compared.append(len(near)) or real(near)
    )
    graphs.build(drawn, Graph(radius=0.02, max_lag=1))
    assert sum(compared) < 20_000, "of 120,000 pairs in successive frames"


def test_bad_rows_are_refused_by_number():
    with pytest.raises(InputError, match=r"row 1: y = nan in frame 1"):
        graphs.build(video([(0, 5, 5, 0), (1, 5, np.nan, 0)]), Graph())
    dark = video([(0, 5, 5, 0), (1, 5, 5, 0)])
    dark["intensity"][0] = np.nan
    with pytest.raises(InputError, match=r"row 0: intensity = nan in frame 0"):
        graphs.build(dark, Graph())
    unordered = video([(0, 5, 5, 0), (1, 5, 5, 0)]).isel(localization=[1, 0])
    with pytest.raises(InputError, match=r"row 1: frame 0 after frame 1"):
        graphs.build(unordered, Graph())


def linked(graph, name="linked") -> set[tuple[int, int]]:
    rows = graph["edge_index"].to_numpy()[:, graph[name].to_numpy()]
    return set(zip(*rows.tolist(), strict=True))


def test_a_mother_is_linked_to_her_daughters_and_over_a_missed_frame():
    """Rows by frame: 0 mother, 1 lone; 2 lone; 3 mother, 4 lone; 5, 6 daughters, 7 lone; ..."""
    drawn = dividing()
    graph = graphs.build(drawn, Graph(radius=0.3, max_lag=2))
    rows = [(t, p) for t, p in zip(drawn["frame"].values, drawn["particle"].values, strict=True)]
    a0, a2, b3, b4, c3, c4 = map(rows.index, [(0, 0), (2, 0), (3, 1), (4, 1), (3, 2), (4, 2)])
    lone = [rows.index((t, 3)) for t in range(5)]
    steps = {(lone[t], lone[t + 1]) for t in range(4)}
    assert linked(graph) == {(a0, a2), (a2, b3), (a2, c3), (b3, b4), (c3, c4)} | steps
    assert linked(graph, "skips") == {(lone[t], lone[t + 2]) for t in range(3)}
    assert graph["origin"][[a0, a2, b3, c3, b4]].values.tolist() == [-1, a0, a2, a2, b3]


def test_lengths_in_spacings_do_not_depend_on_the_microscope():
    drawn = brownian(videos=2, frames=4, particles=9, seed=3)
    larger = drawn.assign(x=3 * drawn["x"], y=3 * drawn["y"], intensity=7 * drawn["intensity"])
    one, other = (graphs.build(d, Graph(radius=2, unit="spacing")) for d in (drawn, larger))
    assert ends(one) == ends(other)
    for name in ("node_features", "edge_features", "distance"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(3 * one["length_px"], other["length_px"])
    assert not np.allclose(*graphs.build(drawn, Graph(radius=2, unit="spacing"))["length_px"])


def test_the_reach_is_the_smallest_that_keeps_the_share(capsys):
    """Nine links of lag 1 and 1 px, but one of lag 3 and one of 4 px; fields of view of 10 px."""
    rows = [(t, 1.0 + t, 5.0, 0) for t in range(8)] + [(0, 1, 1, 1), (3, 1, 2, 1)]
    drawn = video([*rows, (6, 1, 8, 2), (7, 5, 8, 2)])
    limits = Graph(radius=1, max_lag=5)
    all_of_it, kept = graphs.reach(drawn, limits.model_copy(update={"keep": 1.0}))
    assert kept == 1
    assert all_of_it.max_lag == 3
    assert all_of_it.radius == pytest.approx(0.4 * graphs.REACH_MARGIN)
    most, kept = graphs.reach(drawn, limits.model_copy(update={"keep": 0.7}))
    assert kept == pytest.approx(7 / 9)
    assert most.max_lag == 1
    assert most.radius == pytest.approx(0.1 * graphs.REACH_MARGIN)
    assert "warning" not in capsys.readouterr().out
    capped, kept = graphs.reach(drawn, Graph(radius=0.2, max_lag=2, keep=1.0))
    assert (capped.max_lag, capped.radius) == (2, 0.2)
    assert kept == pytest.approx(7 / 9)
    said = capsys.readouterr().out
    assert "reach: 0.2 field_of_view, 2 frames; it holds 77.78% of 9 links" in said
    assert "warning: graph.keep asks for 100.00% of the links. Raise the upper limits" in said


def test_a_measured_reach_is_read_back_from_its_file(tmp_path):
    """Beside the settings it says what share of the links they hold."""
    measured = Graph(radius=0.3, max_lag=3, keep=0.9)
    path = tmp_path / "reach.json"
    path.write_text(json.dumps(measured.model_dump(mode="json") | {"kept": 0.95}))
    assert graphs.settings({}, str(path)) == measured
    assert graphs.settings({"radius": 0.1}, []) == Graph(radius=0.1)


def test_a_reach_needs_links_to_be_measured_from():
    with pytest.raises(InputError, match="no link to measure"):
        graphs.reach(video([(0, 5, 5, 0)]), Graph(keep=0.9))
    with pytest.raises(InputError, match=r"lineage: man_track.txt"):
        graphs.reach(video([(0, 5, 5, 0)]).drop_vars("particle"), Graph(keep=0.9))


def test_edges_know_what_their_masks_share():
    """Row 1 covers half of row 0 (area 8) and all of itself (area 4); row 2 meets none."""
    drawn = video([(0, 5, 5, 0), (1, 5, 5, 0), (1, 6, 5, 1)]).assign(
        area=("localization", [8.0, 4.0, 6.0]),
        n_pair=("video", [1]),
        pair_sender=("pair", [0]),
        pair_receiver=("pair", [1]),
        pair_pixels=("pair", [4]),
    )
    graph = graphs.build(drawn, Graph(radius=0.3))
    columns = [graph.attrs["edge_feature"].index(f"overlap_{e}") for e in ("sender", "receiver")]
    np.testing.assert_allclose(graph["edge_features"][:, columns], [[0.5, 1], [0, 0]])


def test_a_jump_of_the_stage_is_taken_back():
    drawn = video([(0, 2, 5, 0), (1, 8, 5, 0)])
    assert graphs.build(drawn, Graph(radius=0.3)).sizes["edge"] == 0, "test invalid"
    still = drawn.assign(drift_x=("localization", [0.0, 6.0]))
    graph = graphs.build(still, Graph(radius=0.3))
    np.testing.assert_allclose(graph["distance"], [0])
    assert "drift_x" not in graph.attrs["node_feature"]


def test_a_network_brings_its_reach_and_its_unit():
    drawn = brownian(videos=1, frames=4, particles=9, seed=3)
    settings = {"radius": 0.3, "max_lag": 3, "axes": ["x", "y"], "unit": "field_of_view"}
    graph = graphs.build_as(settings | {"length_px": 16.0, "density": [0, 1]}, drawn)
    expected = graphs.build(drawn, Graph(radius=0.3, max_lag=3), length_px=16.0)
    assert graph.identical(expected)


def test_a_lone_cell_reaches_as_far_as_its_field_of_view():
    alone = video([(t, 1.0 + 2 * t, 5, 0) for t in range(4)])
    graph = graphs.build(alone, Graph(radius=2, unit="spacing"))
    assert graph.sizes["edge"] == 5
    np.testing.assert_allclose(graph["length_px"], [10])


def test_cells_that_do_not_move_have_a_reach_too():
    still = video([(t, x, 5, int(x)) for t in range(3) for x in (2.0, 6.0)])
    assert graphs.reach(still, Graph(keep=1.0))[0].radius == graphs.LEAST_REACH


def test_targets_of_a_video_count_particles_and_not_their_localizations():
    """Particle 0 is seen three times, 1 and 2 once each; a false positive counts for nothing."""
    drawn = video(
        [(0, 1, 5, 0), (1, 1, 5, 0), (2, 1, 5, 0), (0, 3, 5, 1), (0, 5, 5, 2), (0, 7, 5, -1)]
    )
    particle = drawn["particle"].to_numpy()
    drawn = drawn.assign(
        exponent=("localization", np.choose(particle + 1, [np.nan, 0.5, 1.0, 1.2])),
        motion=("localization", np.choose(particle + 1, [-1, 1, 0, 0])),
    ).assign_attrs(motions=["ctrw", "fbm"])
    graph = graphs.build(drawn, Graph())
    schema.check(graph, schema.GRAPHS, "here")
    np.testing.assert_allclose(graph["fractions"], [[2 / 3, 1 / 3]], rtol=1e-6)
    np.testing.assert_allclose(graph["video_exponent"], [0.9], rtol=1e-6)
    assert not {"exponent", "motion"} & set(graph.attrs["node_feature"])


def test_a_video_without_particles_has_no_target():
    drawn = video([(0, 5, 5, -1)]).assign(
        exponent=("localization", [np.nan]), motion=("localization", [-1])
    )
    graph = graphs.build(drawn.assign_attrs(motions=["fbm", "ctrw"]), Graph())
    assert np.isnan(graph["fractions"]).all()
    assert np.isnan(graph["video_exponent"]).all()
