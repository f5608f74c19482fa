"""Windows, batches and augmentation."""

import numpy as np
import pytest
import torch
from drawn import brownian, video

from magik import dataset, graphs, schema, store
from magik.config import Features, Graph
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


def test_a_lazy_store_gives_the_same_batches(tmp_path, examples, monkeypatch):
    path = tmp_path / "graphs.zarr.zip"
    store.save(examples.graphs, path, schema.GRAPHS)
    monkeypatch.setattr(dataset, "LOAD_BELOW_BYTES", 0)
    lazy = dataset.GraphSet(store.open(path, schema.GRAPHS), FEATURES)
    a = lazy.draw(4, 5, np.random.default_rng(1))
    b = examples.draw(4, 5, np.random.default_rng(1))
    assert torch.equal(a.nodes, b.nodes)
    assert torch.equal(a.edge_index, b.edge_index)


def test_a_feature_that_is_not_there_is_refused(examples):
    with pytest.raises(InputError, match=r"g\.zarr: no node feature 'area'.*It has: x, y, int"):
        dataset.GraphSet(examples.graphs, Features(node=("area",)), "g.zarr")
