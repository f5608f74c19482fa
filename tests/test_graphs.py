"""Candidate edges and targets, on drawings that a reader can check by eye."""

import numpy as np
import pytest
from drawn import brownian, crossing, video

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
    assert row == pytest.approx(expected)
    nodes = dict(
        zip(graph.attrs["node_feature"], graph["node_features"].to_numpy()[0], strict=True)
    )
    assert nodes == pytest.approx({"x": 0.1, "y": 0.25, "intensity": 50})


def test_a_network_trained_elsewhere_brings_its_length():
    near = graphs.build(video([(0, 2, 5, 0), (1, 5, 1, 0)], side=200), Graph(radius=0.3), 20.0)
    assert near.sizes["edge"] == 1
    far = graphs.build(video([(0, 2, 5, 0), (1, 5, 1, 0)], side=200), Graph(radius=0.01), 20.0)
    assert far.sizes["edge"] == 0


def test_depth_counts_only_where_the_graph_asks_for_it():
    """Two localizations, one above the other: near in the plane, far in space."""
    deep = video([(0, 5, 5, 0), (1, 5, 5, 0)]).assign(z=("localization", [0.0, 9.0]))
    assert graphs.build(deep, Graph()).sizes["edge"] == 1
    assert graphs.build(deep, Graph(axes=("x", "y", "z"))).sizes["edge"] == 0


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


def test_bad_rows_are_refused_by_number():
    with pytest.raises(InputError, match=r"row 1: y = nan in frame 1"):
        graphs.build(video([(0, 5, 5, 0), (1, 5, np.nan, 0)]), Graph())
    dark = video([(0, 5, 5, 0), (1, 5, 5, 0)])
    dark["intensity"][0] = np.nan
    with pytest.raises(InputError, match=r"row 0: intensity = nan in frame 0"):
        graphs.build(dark, Graph())
    with pytest.raises(InputError, match=r"no 'z', along which graph\.axes measures"):
        graphs.build(dark, Graph(axes=("x", "y", "z")))
    unordered = video([(0, 5, 5, 0), (1, 5, 5, 0)]).isel(localization=[1, 0])
    with pytest.raises(InputError, match=r"row 1: frame 0 after frame 1"):
        graphs.build(unordered, Graph())
