"""Attention: the weights are those that the network uses, the contrast is one of identity."""

import numpy as np
import pytest
import torch
from drawn import brownian, video

from magik import attention, graphs, network, schema, train
from magik.config import Features, Graph, Network, Predict, Task
from magik.dataset import GraphSet
from magik.errors import InputError

FEATURES = Features(node=("x", "y", "intensity"), edge=("distance",))
NET = Network(kind="magik", encoder=(8, 12), decoder=(12, 8), heads=3)
TASK = Task(level="node", target="displacement_scaling", loss="l1")


@pytest.fixture(scope="module")
def drawn():
    return brownian(3, 9, 8, seed=1)


def trained(net: Network) -> train.Trained:
    torch.manual_seed(0)
    built = network.build(net, FEATURES).eval()
    return train.Trained(built, TASK, FEATURES, 0.5, 0.2, (), {"length_px": 32.0})


@pytest.fixture
def run(monkeypatch):
    """`attention.run` with a network of fresh weights."""

    def run(drawn, net=NET, seed=1, **settings):
        monkeypatch.setattr(train, "load", lambda path: trained(net))
        built = graphs.build(drawn, Graph())
        return attention.run("checkpoint", built, drawn, Predict(**settings), seed=seed)

    return run


# weights -------------------------------------------------------------------------------------


def test_weights_are_those_that_the_layer_uses(drawn):
    """With them its own output is made again, for every node and the token."""
    net = trained(NET).net
    batch = GraphSet(graphs.build(drawn, Graph()), FEATURES).cut(0)
    calls = []
    for block in net.blocks:
        block.attention.register_forward_hook(lambda layer, given, out: calls.append((given, out)))
    every = attention.weights(net, batch, torch.arange(-1, len(batch.frame)))  # -1: the token
    assert every.shape == (2, 3, 73, 73)
    torch.testing.assert_close(every.sum(-1), torch.ones(2, 3, 73))
    assert every.std() > 1e-4, "test invalid: all weights are the same"
    for weight, block, ((h, _), out) in zip(every, net.blocks, calls, strict=True):
        _, _, p, g = (
            part.unflatten(-1, (3, 4)) for part in block.attention.qkpg(h[0]).chunk(4, -1)
        )
        mixed = torch.einsum("hrn,nhc->rhc", weight, p) * g.sigmoid()
        torch.testing.assert_close(block.attention.out(mixed.flatten(1)), out[0])


def test_rows_are_those_asked_for(drawn):
    net = trained(NET).net
    batch = GraphSet(graphs.build(drawn, Graph()), FEATURES).cut(0)
    every = attention.weights(net, batch, torch.arange(len(batch.frame)))
    some = torch.tensor([5, 70, 2])
    torch.testing.assert_close(attention.weights(net, batch, some), every[:, :, some])
    assert not net.blocks[0].attention._forward_pre_hooks, "nothing is left behind"


# contrast ------------------------------------------------------------------------------------


def _tally(drawn, weigh) -> attention.Tally:
    """One block, two heads, the second with a tenth of the weights; looked from every node."""
    nodes = attention.nodes_of(graphs.build(drawn, Graph()), drawn)
    rows = np.arange(len(nodes.frame))
    far = np.linalg.norm(nodes.position[:, None] - nodes.position, axis=-1) // attention.BIN
    lag = nodes.frame - nodes.frame[:, None]
    weight = weigh(far, lag, nodes.particle[:, None] == nodes.particle).astype(np.float32)
    tally = attention.Tally(1, 2, int(drawn["n_frames"][0]))
    tally.add(np.stack([weight, weight / 10])[None], nodes, rows, slice(0, len(rows)))
    return tally


@pytest.mark.parametrize(
    ("weigh", "contrast"),
    [
        (lambda far, lag, same: np.exp(-far / 5 - abs(lag) / 3), 1),
        (lambda far, lag, same: np.exp(-far / 5 + lag / 3), 1),
        (lambda far, lag, same: np.exp(-far / 5 - abs(lag) / 3) * (1 + 2 * same), 3),
    ],
    ids=["near nodes", "later nodes", "own nodes thrice"],
)
def test_contrast_is_of_identity_not_of_nearness(weigh, contrast):
    tally = _tally(brownian(1, 12, 30, seed=2), weigh)
    ratio, matched = tally.contrast()
    np.testing.assert_allclose(ratio, [[contrast, contrast]], rtol=1e-5)
    assert 0.5 < matched < 1


def test_unmatched_it_would_be_one_of_nearness():
    """Own nodes are nearer: without the match by distance the first case above is far from 1."""
    tally = _tally(brownian(1, 12, 30, seed=2), lambda far, lag, same: np.exp(-far / 5))
    different, one = tally.total[0, 0].sum(-1) / tally.pairs.sum(-1)
    assert one / different > 2


def test_a_node_is_no_pair_with_itself_and_nothing_counts_twice():
    """Two particles side by side for two frames: 4 nodes, 12 pairs, 4 of them of one particle."""
    drawn = video([(t, x, 5.0, x) for t in (0, 1) for x in (4, 6)])
    tally = _tally(drawn, lambda far, lag, same: np.ones(same.shape))
    assert tally.pairs.sum(axis=1).tolist() == [8, 4]
    ratio, matched = tally.contrast()
    assert np.isnan(ratio).all(), "none of different particles is as near"
    assert matched == 0


# stores --------------------------------------------------------------------------------------


def test_map_of_the_middle_node_and_statistics_of_every_video(run, drawn):
    seen = schema.check(run(drawn), schema.ATTENTION, "attention")
    target = seen.attrs["target"]
    assert seen.frame[target] == 4
    own = seen.isel(localization=np.flatnonzero(seen.frame == 4))
    away = np.hypot(own.x - 16, own.y - 16)
    assert np.hypot(seen.x[target] - 16, seen.y[target] - 16) == away.min()
    np.testing.assert_allclose(seen.attention.sum("localization") + seen.token, 1, rtol=1e-5)
    np.testing.assert_allclose(seen.contrast, seen.ratio.mean("video"))
    np.testing.assert_allclose(seen.contrast_se, seen.ratio.std("video", ddof=1) / np.sqrt(3))
    assert run(drawn).identical(seen), "the same every time"


def test_attention_ends_with_the_window(run, drawn):
    seen = run(drawn, window=3)
    inside = np.isin(seen.frame, [3, 4, 5])
    assert np.isfinite(seen.attention[:, :, inside]).all()
    assert np.isnan(seen.attention[:, :, ~inside]).all()


def test_few_nodes_stand_for_all(run, drawn, monkeypatch):
    """Which are drawn follows from the seed."""
    monkeypatch.setattr(attention, "NODES_PER_VIDEO", 20)
    ratio = {seed: run(drawn, seed=seed).ratio.to_numpy() for seed in (1, 2)}
    np.testing.assert_array_equal(run(drawn, seed=1).ratio, ratio[1])
    assert not np.allclose(ratio[1], ratio[2])


def test_of_one_video_there_is_no_standard_error(run):
    seen = run(brownian(1, 9, 8, seed=1))
    assert np.isfinite(seen.contrast).all()
    assert np.isnan(seen.contrast_se).all()


def test_a_video_without_detections_is_left_out(run, drawn):
    empty = drawn.isel(video=[0, 1, 1]).assign(
        row_size=("video", [72, 0, 72]), n_frames=("video", [9, 9, 9])
    )
    seen = run(empty.isel(localization=slice(0, 144)))
    assert np.isnan(seen.ratio[1]).all()
    np.testing.assert_allclose(seen.contrast, seen.ratio[[0, 2]].mean("video"))


def test_no_attention_and_unknown_particles_are_refused(run, drawn):
    for other in ({"kind": "magik_tracks"}, {"kind": "gated_graph"}, {"attention": False}):
        with pytest.raises(InputError, match="no attention among all nodes; expected a network"):
            run(drawn, net=NET.model_copy(update=other))
    with pytest.raises(InputError, match="the particles are not known"):
        run(drawn.drop_vars("particle"))
    spurious = drawn.assign(particle=("localization", np.full(216, -1)))
    with pytest.raises(InputError, match="no localization of the first video is of a known"):
        run(spurious)
