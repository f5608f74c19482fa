"""The networks that MAGIK is compared with, MAGIK without a part, and with one more."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn import brownian, video
from pydantic import ValidationError

from magik import dataset, graphs, laplacian, network
from magik.config import Features, Graph, Network

FEATURES = Features(
    node=("x", "y", "intensity"), edge=("distance", "displacement_x", "displacement_y", "lag")
)
SIZES = {"encoder": (8, 12), "decoder": (12, 8), "global_decoder": (8,), "heads": 3}
WHOLE = Network(**SIZES)
LOCAL = {
    "no attention": Network(**SIZES, attention=False),
    "neither": Network(**SIZES, attention=False, receptive_field=False),
    **{
        kind: Network(**SIZES, kind=kind)
        for kind in ("message_passing", "gated_graph", "graph_transformer")
    },
}
"""Those whose nodes see no farther than one edge a block."""

LAPLACIAN = Network(**SIZES, laplacian=3)
ALL = {
    "no receptive field": Network(**SIZES, receptive_field=False),
    "laplacian": LAPLACIAN,
    **LOCAL,
}
of_all = pytest.mark.parametrize("settings", ALL.values(), ids=ALL)
of_local = pytest.mark.parametrize("settings", LOCAL.values(), ids=LOCAL)


def built(settings: Network, level: str = "node") -> network.MAGIK | network.MAGIKTracks:
    torch.manual_seed(0)
    return network.build(settings, FEATURES, network.Head(level)).eval()


def examples_of(drawn, **graph) -> dataset.GraphSet:
    return dataset.GraphSet(graphs.build(drawn, Graph(**graph)), FEATURES)


@pytest.fixture(scope="module")
def examples() -> dataset.GraphSet:
    return examples_of(brownian(2, 8, 9, seed=3))


def chain() -> dataset.Batch:
    """One particle over six frames, each node joined to the next alone."""
    cut = examples_of(video([(t, 5.0 + t, 5.0, 0) for t in range(6)]), max_lag=1).cut(0)
    assert cut.edge_index.tolist() == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]], "test invalid"
    return cut


@of_all
@pytest.mark.parametrize("level", ["node", "edge", "graph"])
def test_every_network_answers_at_every_level(settings, level, examples):
    batch = dataset.join([examples.cut(0), examples.cut(1)])
    said = built(settings, level)(batch)
    assert said.node.shape == (len(batch.frame), 1)
    assert said.edge.shape == (len(batch.distance) if level == "edge" else 0,)
    assert said.graph.shape == (2, 1)
    for told in (said.node, said.edge, said.graph):
        assert torch.isfinite(told).all()


@of_all
def test_every_weight_learns(settings, examples):
    net = built(settings, "edge")
    said = net(dataset.join([examples.cut(0), examples.cut(1)]))
    (said.node.square().sum() + said.edge.square().sum() + said.graph.square().sum()).backward()
    for name, parameter in net.named_parameters():
        if not name.endswith("lin_key.bias"):  # adds the same to all that a softmax compares
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 1e-7, name


@of_all
@pytest.mark.parametrize("column", range(4), ids=FEATURES.edge)
def test_nodes_know_what_their_edges_carry(settings, column, examples):
    net, cut = built(settings), examples.cut(0)
    edges = cut.edges.clone()
    edges[:, column] += 1
    said, changed = net(cut), net(replace(cut, edges=edges))
    met = torch.zeros(len(cut.frame), dtype=torch.bool)
    met[cut.edge_index[1]] = True
    apart = (said.node - changed.node).abs()[:, 0]
    assert (apart[met] > 1e-6).all()
    assert not torch.allclose(said.graph, changed.graph)


def reach(settings: Network, blocks: int) -> list[int]:
    """The nodes of the chain whose answer changes with the intensity of the first."""
    net, cut = built(settings.model_copy(update={"blocks": blocks})), chain()
    nodes = cut.nodes.clone()
    nodes[0, -1] *= -1  # no small step: a layer normalisation follows
    apart = (net(cut).node - net(replace(cut, nodes=nodes)).node).abs()[:, 0]
    return torch.nonzero(apart > 1e-6)[:, 0].tolist()


@of_local
def test_a_block_sees_one_edge_far_and_never_back_in_time(settings):
    assert reach(settings, 1) == [0, 1]
    assert reach(settings, 2) == [0, 1, 2]


@pytest.mark.parametrize("settings", [WHOLE, ALL["no receptive field"]])
def test_attention_sees_all_nodes_at_once(settings):
    assert reach(settings, 1) == list(range(6))


def test_without_receptive_field_a_message_does_not_fade_with_distance(examples):
    cut = examples.cut(0)
    far = replace(cut, distance=2 * cut.distance)  # edges keep saying what they said
    for settings in (ALL["no receptive field"], ALL["neither"]):
        net = built(settings)
        assert not any("log_sigma" in name for name in net.state_dict())
        assert torch.equal(net(far).node, net(cut).node)
    net = built(WHOLE)
    assert any("log_sigma" in name for name in net.state_dict())
    assert not torch.allclose(net(far).node, net(cut).node), "test invalid"


def test_an_ablation_keeps_the_names_of_all_other_weights():
    whole = set(built(WHOLE).state_dict())
    without = set(built(ALL["no receptive field"]).state_dict())
    fields = {
        f"blocks.{block}.receptive_field.log_{of}" for block in "01" for of in ("sigma", "beta")
    }
    assert whole - without == fields
    assert without <= whole
    kept = set(built(LOCAL["no attention"]).state_dict())
    assert {name.split(".")[2] for name in whole - kept} == {"attention"}
    assert {name.split(".")[2] for name in kept - whole} == {"pointwise", "overall"}


@of_all
def test_order_of_localizations_within_a_frame_does_not_matter(settings):
    drawn, net = brownian(1, 6, 7, seed=4), built(settings)
    order = np.concatenate([7 * t + np.random.default_rng(t).permutation(7) for t in range(6)])
    # all within reach: of two nodes by themselves an eigenvector is symmetric, its sign anyone's
    a = net(examples_of(drawn, radius=0.7).cut(0))
    b = net(examples_of(drawn.isel(localization=order), radius=0.7).cut(0))
    torch.testing.assert_close(b.node, a.node[torch.from_numpy(order)], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(b.graph, a.graph, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(b.node, a.node, atol=1e-4), "test invalid"


@of_all
def test_a_graph_does_not_see_its_neighbours_in_the_batch(settings, examples):
    net = built(settings)
    alone = net(examples.cut(0))
    together = net(dataset.join([examples.cut(1, frames=5), examples.cut(0), examples.cut(1)]))
    n, m = len(examples.cut(1, frames=5).frame), len(examples.cut(0).frame)
    torch.testing.assert_close(together.node[n : n + m], alone.node, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.graph[1:2], alone.graph, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together.graph[0], together.graph[2]), "test invalid"


@of_all
@pytest.mark.parametrize("rows", [[], [(0, 5.0, 5.0, 0)]], ids=["no node", "no edge"])
def test_an_empty_graph_has_finite_outputs_and_gradients(settings, rows, examples):
    """Alone, and between two that are not empty."""
    net, empty = built(settings, "edge"), examples_of(video(rows)).cut(0)
    for batch in (empty, dataset.join([examples.cut(0), empty, examples.cut(1)])):
        net.zero_grad()
        said = net(batch)
        (said.node.sum() + said.edge.sum() + said.graph.sum()).backward()
        for told in (said.node, said.edge, said.graph):
            assert torch.isfinite(told).all()
        for name, parameter in net.named_parameters():
            if parameter.grad is not None:
                assert torch.isfinite(parameter.grad).all(), name


def test_nodes_know_their_eigenvectors_of_the_graph_that_is_seen(examples):
    """In a window those of the window; without the edges of a node those of what is left."""
    net = built(LAPLACIAN)
    assert net.node_encoder.features == 3 + 3
    for cut in (examples.cut(0), examples.cut(0, 2, 4)):
        found = network.positions(cut, 3)
        alone = laplacian.encoding(cut.edge_index.numpy(), len(cut.frame), 3)
        np.testing.assert_allclose(found.numpy(), alone, atol=1e-5)
    inside = network.positions(examples.cut(0), 3)[examples.cut(0).frame >= 2]
    assert not torch.allclose(inside[: len(found)], found, atol=0.1), "test invalid"
    flipped = replace(cut, signs=-cut.signs)
    assert torch.equal(network.positions(flipped, 3), -found)
    assert not torch.allclose(net(flipped).node, net(cut).node)


def test_signs_are_drawn_in_training_and_left_alone_in_prediction(examples):
    assert (examples.cut(0).signs == 1).all()
    drawn = [examples.draw(4, 5, np.random.default_rng(seed)).signs for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert set(drawn[0].flatten().tolist()) == {-1.0, 1.0}
    assert not torch.equal(drawn[0][0], drawn[0][1]), "each graph has its own"


def test_settings_that_no_network_can_have():
    with pytest.raises(ValidationError, match="must divide the latent width 96"):
        Network(kind="graph_transformer", heads=5)
    for part in ("attention", "receptive_field"):
        with pytest.raises(ValidationError, match="only kind 'magik' can be without one"):
            Network(kind="magik_tracks", **{part: False})
    with pytest.raises(ValidationError, match="laplacian = 4 of a network of kind 'magik_tracks'"):
        Network(kind="magik_tracks", laplacian=4)
    for setting in ({"matching": 2}, {"moments": True}):
        with pytest.raises(ValidationError, match="of a network of kind 'magik'; leave it out"):
            Network(**setting)
