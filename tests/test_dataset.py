"""Windows, batches and augmentation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import brownian, dividing, video

from magik import dataset, graphs, schema, store
from magik.config import Features, Graph, Task
from magik.errors import InputError

FEATURES = Features(
    node=("x", "y", "intensity"), edge=("distance", "displacement_x", "displacement_y", "lag")
)


@pytest.fixture(scope="module")
def examples() -> dataset.GraphSet:
    return dataset.GraphSet(graphs.build(brownian(3, 12, 8, seed=0), Graph()), FEATURES)


def test_a_window_is_the_graph_of_its_frames(examples):
    """Cutting a graph = building the graph of the cut video."""
    drawn = brownian(3, 12, 8, seed=0)
    inside = drawn["frame"].isin(range(4, 9)).to_numpy() & (np.arange(3 * 96) // 96 == 1)
    alone = drawn.isel(localization=inside)
    alone["row_size"] = ("video", [0, 40, 0])
    expected = dataset.GraphSet(graphs.build(alone, Graph()), FEATURES).cut(1)
    found = examples.cut(1, first=4, frames=5)
    assert torch.equal(found.edge_index, expected.edge_index)
    assert torch.equal(found.nodes, expected.nodes)
    assert torch.equal(found.edges, expected.edges)
    assert torch.equal(found.linked, expected.linked)
    assert torch.equal(found.frame, expected.frame - 4)


def test_frames_count_from_the_window_even_when_its_first_is_empty():
    lone = dataset.GraphSet(graphs.build(video([(3, 5, 5, 0)], frames=6), Graph()), FEATURES)
    assert lone.cut(0, first=2, frames=4).frame.tolist() == [1]
    assert len(lone.cut(0, first=4, frames=2).frame) == 0


def test_graphs_of_a_batch_are_not_connected(examples):
    batch = dataset.join([examples.cut(0), examples.cut(2)])
    sender, receiver = batch.edge_index
    assert torch.equal(batch.graph[sender], batch.graph[receiver])
    assert batch.n_graphs == 2
    assert torch.equal(
        batch.edge_index[:, : int(examples.graphs["n_edge"][0])], examples.cut(0).edge_index
    )


def test_augmentation_moves_points_and_displacements_together(examples):
    """After any turn, mirror and shift a displacement is still receiver minus sender."""
    batch = dataset.join([examples.cut(k) for k in range(3)])
    moved = dataset.augment(batch, FEATURES, np.random.default_rng(0))
    sender, receiver = moved.edge_index
    torch.testing.assert_close(
        moved.edges[:, 1:3],
        moved.nodes[receiver, :2] - moved.nodes[sender, :2],
        atol=1e-5,
        rtol=0,
    )
    torch.testing.assert_close(moved.edges[:, 1:3].norm(dim=1), batch.distance, atol=1e-5, rtol=0)
    assert not torch.allclose(moved.nodes[:, :2], batch.nodes[:, :2]), "test invalid"
    assert torch.equal(moved.nodes[:, 2], batch.nodes[:, 2]), "intensity has no direction"


def test_augmentation_mirrors_half_of_the_graphs(examples):
    """The sign of the turning between two fixed steps flips in about every second graph."""
    cut = examples.cut(0)
    signs = []
    for seed in range(40):
        moved = dataset.augment(cut, FEATURES, np.random.default_rng(seed))
        a, b = moved.edges[0, 1:3], moved.edges[5, 1:3]
        signs.append(float(torch.sign(a[0] * b[1] - a[1] * b[0])))
    assert 8 < signs.count(1.0) < 32  # 4 standard deviations of a fair coin


@pytest.mark.parametrize(
    "task",
    [
        Task(level="node", target="displacement_scaling", loss="l1"),
        Task(level="graph", target="fractions", loss="cross_entropy"),
    ],
    ids=lambda task: task.target,
)
def test_a_lazy_set_and_one_on_a_device_give_the_same_batches(task, tmp_path, monkeypatch):
    drawn = brownian(3, 12, 8, seed=0)
    drawn["motion"] = ("localization", drawn["particle"].to_numpy() % 2 - 1)
    built = graphs.build(drawn.assign_attrs(motions=["a", "b"]), Graph())
    path = tmp_path / "graphs.zarr.zip"
    store.save(built, path, schema.GRAPHS)
    plain, held = (dataset.GraphSet(built, FEATURES, task) for _ in range(2))
    monkeypatch.setattr(held.to("cpu"), "_column", None)  # who reads the store again fails
    monkeypatch.setattr(dataset, "LOAD_BELOW_BYTES", 0)
    lazy, moved = (
        dataset.GraphSet(store.open(path, schema.GRAPHS), FEATURES, task) for _ in range(2)
    )
    moved.to("cpu")
    for drop in (0.0, 0.2):
        expected, *others = (
            examples.draw(4, 5, np.random.default_rng(1), drop, np.array([0, 0, 1.0]))
            for examples in (plain, held, lazy, moved)
        )
        assert torch.isfinite(expected.target).any(), "test invalid"
        for other in others:
            for name, value in vars(expected).items():
                same = getattr(other, name)
                if isinstance(value, torch.Tensor):
                    torch.testing.assert_close(same, value, rtol=0, atol=0, equal_nan=True)
                else:
                    assert same == value, name


def test_sizes_are_those_of_what_is_there(examples):
    rng = np.random.default_rng(0)
    drawn = examples.draw(3, 5, rng)
    joined = dataset.join([drawn, examples.cut(1, first=4, frames=3)])
    for batch in (drawn, joined, dataset.leave_out(joined, joined.frame == 1)):
        found = dataset.Sizes.of(batch.graph, batch.frame, batch.edge_index, batch.n_graphs)
        assert batch.sizes == found
        assert sum(found.nodes) == len(batch.frame)
        assert found.into[0] == 0, "nothing comes from before"
    with pytest.raises(ValueError, match="sizes of"):
        replace(drawn, sizes=joined.sizes)


def test_a_feature_that_is_not_there_is_refused(examples):
    with pytest.raises(InputError, match=r"g\.zarr: no node feature 'area'.*It has: x, y, int"):
        dataset.GraphSet(examples.graphs, Features(node=("area",)), None, "g.zarr")


def pairs(batch, name="linked") -> set[tuple[int, int]]:
    rows = batch.edge_index[:, getattr(batch, name)]
    return set(zip(*rows.tolist(), strict=True))


def test_a_detection_that_is_left_out_takes_its_edges_and_is_bridged():
    """Without the second frame of particle 3, the gap has a link, as if it had been missed."""
    drawn = dividing()
    whole = dataset.GraphSet(graphs.build(drawn, Graph(radius=0.3)), Features(node=())).cut(0)
    lone = np.flatnonzero(drawn["particle"] == 3)
    out = torch.zeros(len(whole.frame), dtype=torch.bool)
    out[lone[1]] = True
    batch = dataset.leave_out(whole, out)
    kept = drawn.isel(localization=~out.numpy())
    kept["row_size"] = ("video", [kept.sizes["localization"]])
    expected = dataset.GraphSet(graphs.build(kept, Graph(radius=0.3)), Features(node=())).cut(0)
    assert len(batch.frame) == len(whole.frame) - 1
    for name in ("edge_index", "linked", "skips", "origin", "frame", "distance", "edges"):
        assert torch.equal(getattr(batch, name), getattr(expected, name)), name
    assert (lone[0], lone[2] - 1) in pairs(batch)
    assert (lone[0], lone[2]) not in pairs(whole), "test invalid"


def test_leaving_out_a_mother_links_her_daughters_to_what_came_before():
    whole = dataset.GraphSet(graphs.build(dividing(), Graph(radius=0.3, max_lag=3)), FEATURES_0)
    out = torch.zeros(11, dtype=torch.bool)
    out[3] = True  # the mother's last detection
    batch = dataset.leave_out(whole.cut(0), out)
    assert {(0, 4), (0, 5)} <= pairs(batch)
    assert batch.origin[[4, 5]].tolist() == [0, 0]


def test_all_can_be_left_out():
    whole = dataset.GraphSet(graphs.build(dividing(), Graph(radius=0.3)), FEATURES_0).cut(0)
    batch = dataset.leave_out(whole, torch.ones(11, dtype=torch.bool))
    assert len(batch.frame) == batch.edge_index.shape[1] == len(batch.origin) == 0


FEATURES_0 = Features(node=(), edge=("distance",))


def test_drawing_drops_the_share_that_is_asked_for(examples):
    rng = np.random.default_rng(0)
    batch = examples.draw(20, None, rng, drop=0.25)
    nodes = 20 * 96
    spread = 4 * np.sqrt(nodes * 0.25 * 0.75)
    assert abs(len(batch.frame) - 0.75 * nodes) < spread
    sender, receiver = batch.edge_index
    assert max(int(sender.max()), int(receiver.max())) < len(batch.frame)
    assert torch.all(batch.frame[sender] < batch.frame[receiver])


def test_a_window_can_be_a_share_of_the_video(examples):
    """12 frames, a quarter to a half: 3 to 6; never fewer than hold an edge of every lag (3)."""
    rng = np.random.default_rng(0)
    lengths = {int(examples.draw(1, (0.25, 0.5), rng).frame.max()) + 1 for _ in range(40)}
    assert lengths == {3, 4, 5, 6}
    assert int(examples.draw(1, (0.0, 0.0), rng).frame.max()) + 1 == 3


def test_noise_is_added_to_the_features_that_have_some(examples):
    quiet, loud = (
        examples.draw(3, None, np.random.default_rng(0), noise=noise).nodes
        for noise in (np.zeros(3), np.array([0, 0, 5.0]))
    )
    assert (loud - quiet)[:, 2].std() == pytest.approx(5, rel=0.2)


def test_links_out_of_a_window_are_no_links_of_it(examples):
    batch = examples.cut(0, first=4, frames=5)
    first = batch.frame == 0
    assert torch.all(batch.origin[first] == -1)
    assert torch.all(batch.origin[~first] >= 0)


def test_the_edges_of_a_window_are_found_again_in_the_store(examples):
    rows = examples.edges_of(1, 4, 5)
    batch = examples.cut(1, 4, 5)
    np.testing.assert_array_equal(
        examples.graphs["edge_features"][rows][:, examples.edge_columns], batch.edges
    )
