"""What any network here must satisfy, and the equations of the paper one by one."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import reference
import torch
from drawn import brownian, dividing, video
from torch.nn.attention import SDPBackend, sdpa_kernel

from magik import dataset, graphs, network
from magik.config import Features, Graph, Network

FEATURES = Features(
    node=("x", "y", "intensity"), edge=("distance", "displacement_x", "displacement_y", "lag")
)
SETTINGS = [
    Network(kind="magik", encoder=(8, 12), decoder=(12, 8), heads=3),
    Network(kind="magik_tracks", encoder=(8, 12), decoder=(12, 8), heads=3, evidence=5),
]


def examples_of(drawn) -> dataset.GraphSet:
    return dataset.GraphSet(graphs.build(drawn, Graph()), FEATURES)


@pytest.fixture(scope="module")
def examples() -> dataset.GraphSet:
    return examples_of(brownian(2, 8, 9, seed=3))


@pytest.fixture(params=SETTINGS, ids=lambda settings: settings.kind)
def net(request):
    torch.manual_seed(0)
    return network.build(request.param, FEATURES).eval()


def unequal_graphs() -> dataset.Batch:
    """Four graphs in float64: one whole, a crop, one localization, three that are out of reach."""
    drawn = examples_of(brownian(2, 8, 9, seed=3))
    alone = examples_of(video([(0, 5.0, 5.0, 0)]))
    apart = examples_of(video([(t, 4.0 * t, 0.0, 0) for t in range(3)]))
    cuts = [drawn.cut(0), apart.cut(0), drawn.cut(1, 2, 4), alone.cut(0)]
    assert [cut.edge_index.shape[1] for cut in cuts[1::2]] == [0, 0], "test invalid"
    return double(dataset.join(cuts))


def double(batch: dataset.Batch) -> dataset.Batch:
    names = ("nodes", "edges", "distance", "target")
    return replace(batch, **{name: getattr(batch, name).double() for name in names})


def without_edges() -> dataset.Batch:
    batch = unequal_graphs()
    names = ("edges", "distance", "linked", "skips")
    none = {name: getattr(batch, name)[:0] for name in names}
    frames = [0] * len(batch.sizes.into)
    sizes = batch.sizes._replace(into=frames, out_of=frames)
    return replace(batch, edge_index=batch.edge_index[:, :0], sizes=sizes, **none)


@pytest.mark.parametrize("batch", [unequal_graphs(), without_edges()], ids=["unequal", "no edges"])
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.kind)
def test_what_is_fused_equals_what_is_written_out(settings, batch):
    """Predictions, and the gradient of every weight, against `reference`: in float64."""
    torch.manual_seed(0)
    net = network.build(settings, FEATURES, network.Head("edge")).double()
    with torch.no_grad():  # no weight at a value that would hide its part
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    weights = {name: value.detach().clone() for name, value in net.state_dict().items()}
    learnt = dict(net.named_parameters())
    for name in learnt:
        weights[name].requires_grad_()
    said = net(batch)
    if settings.kind == "magik":
        ours = [said.node[:, 0], said.edge, said.graph[:, 0]]
        plain = list(reference.magik(weights, settings.heads, batch))
    else:
        node, link = reference.magik_tracks(weights, batch)
        ours, plain = [said.node[:, 0], said.links[-1].weight()], [node, link]
    torch.testing.assert_close(ours, plain)

    rng = torch.Generator().manual_seed(1)
    for outputs in (ours, plain):
        rng.manual_seed(1)
        sum(
            (torch.randn(len(one), generator=rng, dtype=one.dtype) * one).sum() for one in outputs
        ).backward()
    for name, parameter in learnt.items():
        expected = weights[name].grad
        expected = torch.zeros_like(parameter) if expected is None else expected
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found, expected, msg=lambda why, name=name: f"{name}: {why}")


def test_flow_equals_dense_matrices_and_a_loop_over_frames():
    """Two graphs, edges of lag 1 and 2, forward and mirrored."""
    examples = examples_of(brownian(2, 8, 9, seed=3))
    batch = dataset.join([examples.cut(0), examples.cut(1, frames=5)])
    order, n = network.tape(batch), len(batch.frame)
    rng = torch.Generator().manual_seed(0)
    carried = torch.rand(n, 3, generator=rng, dtype=torch.float64)
    brought, kept = torch.rand(2, len(batch.distance), 3, generator=rng, dtype=torch.float64)
    reached = network.flow(
        carried.repeat(2, 1)[order.row], brought[order.edge], kept[order.edge], order
    )[order.place]
    past = reference.flow(carried, brought, kept, batch.edge_index, batch.frame)
    future = reference.flow(carried, brought, kept, batch.edge_index.flip(0), -batch.frame)
    torch.testing.assert_close(reached, torch.cat([past, future]))


def test_a_graph_does_not_see_its_neighbours_in_the_batch(net, examples):
    alone = net(examples.cut(0))
    together = net(dataset.join([examples.cut(1, frames=5), examples.cut(0), examples.cut(1)]))
    n, m = len(examples.cut(1, frames=5).frame), len(examples.cut(0).frame)
    torch.testing.assert_close(together.node[n : n + m], alone.node, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together.node[:n], together.node[-n:]), "test invalid"


def test_order_of_localizations_within_a_frame_does_not_matter(net):
    drawn = brownian(1, 6, 7, seed=4)
    order = np.concatenate([7 * t + np.random.default_rng(t).permutation(7) for t in range(6)])
    a = net(examples_of(drawn).cut(0)).node
    b = net(examples_of(drawn.isel(localization=order)).cut(0)).node
    torch.testing.assert_close(b, a[torch.from_numpy(order)], atol=1e-5, rtol=1e-4)


def test_without_directed_features_a_rotation_changes_nothing():
    """With distances only, the whole network is invariant: rotation by 90 degrees in the box."""
    features = Features(node=("intensity",), edge=("distance", "lag"))
    drawn = brownian(1, 6, 7, seed=5)
    turned = drawn.assign(x=("localization", 32 - drawn["y"].to_numpy()), y=drawn["x"])
    for settings in SETTINGS:
        torch.manual_seed(0)
        net = network.build(settings, features).eval()
        a, b = (
            net(dataset.GraphSet(graphs.build(d, Graph()), features).cut(0)).node
            for d in (drawn, turned)
        )
        torch.testing.assert_close(b, a, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "rows",
    [[], [(0, 5.0, 5.0, 0)], [(t, 5.0, 5.0, 0) for t in range(5)]],
    ids=["none", "one localization", "a waiting particle"],
)
def test_odd_videos_have_finite_outputs_and_gradients(net, rows):
    cut = examples_of(video(rows)).cut(0)
    said = net(cut)
    said.node.sum().backward()
    assert torch.isfinite(said.node).all()
    for name, parameter in net.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
def test_the_local_receptive_field_is_equation_2(beta):
    field = network.LocalReceptiveField(sigma=0.2, beta=beta)
    d = torch.tensor([0.05, 0.1, 0.3])
    expected = torch.exp(-((d**2 / (2 * 0.2**2)) ** beta))
    torch.testing.assert_close(field(d), expected)
    assert field(torch.zeros(1)).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("sigma", [1e-3, 10.0])
def test_sigma_and_beta_keep_their_gradient_far_from_the_data(sigma):
    field = network.LocalReceptiveField(sigma=sigma, beta=0.5)
    field(torch.tensor([0.0, 0.05, 0.1])).sum().backward()
    for parameter in (field.log_sigma, field.log_beta):
        assert torch.isfinite(parameter.grad)
        assert parameter.grad != 0


def test_gated_attention_is_equation_4():
    """Fused = written out, head by head, with the gate and without padding."""
    torch.manual_seed(1)
    layer, h = network.GatedSelfAttention(width=6, heads=2), torch.randn(1, 5, 6)
    q, k, p, g = layer.qkpg(h).chunk(4, dim=-1)
    heads = []
    for z in range(2):
        c = slice(3 * z, 3 * z + 3)
        attention = (q[..., c] @ k[..., c].transpose(1, 2) / math.sqrt(3)).softmax(-1)
        heads.append(g[..., c].sigmoid() * (attention @ p[..., c]))
    expected = layer.out(torch.cat(heads, dim=-1))
    torch.testing.assert_close(layer(h, torch.zeros(1, 5)), expected)


def test_padding_gets_no_attention():
    torch.manual_seed(1)
    layer, h = network.GatedSelfAttention(width=6, heads=2), torch.randn(1, 5, 6)
    padded = torch.cat([h, torch.full((1, 3, 6), 7.0)], dim=1)
    mask = torch.zeros(1, 8)
    mask[:, 5:] = -torch.inf
    torch.testing.assert_close(layer(padded, mask)[:, :5], layer(h, torch.zeros(1, 5)))
    assert not torch.allclose(
        layer(padded, torch.zeros(1, 8))[:, :5], layer(h, torch.zeros(1, 5))
    ), "test invalid"


def test_attention_keeps_no_matrix_of_all_pairs():
    """The fused kernel, which never holds [rows, rows], takes our mask and our layout."""
    layer, h = network.GatedSelfAttention(width=6, heads=2), torch.randn(2, 50, 6)
    mask = torch.zeros(2, 50)
    mask[1, 30:] = -torch.inf
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        fused = layer(h, mask)
        fused.sum().backward()
    with sdpa_kernel(SDPBackend.MATH):
        torch.testing.assert_close(fused, layer(h, mask))


def test_the_published_network_has_the_published_shape():
    """Methods: encoders 32-64-96, two blocks, decoders 96-64-32, global decoder 64."""
    net = network.build(Network(), Features())
    widths = [
        layer.out_features
        for layer in net.node_encoder.layers
        if hasattr(layer, "weight") and layer.weight.ndim == 2
    ]
    assert widths == [32, 64, 96]
    assert len(net.blocks) == 2
    decoder = [m.out_features for m in net.node_decoder.modules() if isinstance(m, torch.nn.Linear)]
    assert decoder == [96, 64, 32, 1]
    reads = [m.out_features for m in net.graph_decoder.modules() if isinstance(m, torch.nn.Linear)]
    assert reads == [64, 1]
    assert not net.u.any(), "the global embedding is zero-initialised"


def test_choices_of_a_node_and_none_add_up_to_one():
    score = torch.tensor([2.0, -1.0, 50.0, -50.0])
    choice = torch.tensor([0, 0, 1, 2])
    edge, none = network.log_choice(score, choice, choices=4)
    total = torch.zeros(4).index_add(0, choice, edge.exp()) + none.exp()
    torch.testing.assert_close(total, torch.ones(4))
    e2, e1 = math.exp(2), math.exp(-1)
    torch.testing.assert_close(edge[0].exp(), torch.tensor(e2 / (1 + e2 + e1)))
    assert none[3] == 0, "a node without candidates has no choice"


def marginals(score: list[float], edges: list[tuple[int, int]]) -> list[float]:
    """Probability of each edge over all sets in which no sender and no receiver occurs twice."""
    total, found = 0.0, [0.0] * len(edges)
    for chosen in itertools.product([False, True], repeat=len(edges)):
        taken = [edge for edge, is_taken in zip(edges, chosen, strict=True) if is_taken]
        senders, receivers = {a for a, _ in taken}, {b for _, b in taken}
        if len(senders) < len(taken) or len(receivers) < len(taken):
            continue
        weight = math.exp(sum(s for s, is_taken in zip(score, chosen, strict=True) if is_taken))
        total += weight
        found = [f + weight * is_taken for f, is_taken in zip(found, chosen, strict=True)]
    return [f / total for f in found]


@pytest.mark.parametrize(
    ("edges", "within"),
    [
        ([(0, 3), (0, 4), (1, 4), (1, 5)], 1e-5),  # a tree
        ([(0, 3), (0, 4), (1, 3), (1, 4)], 0.05),  # two objects that meet
    ],
)
def test_links_that_exclude_each_other_have_the_marginals_of_all_matchings(edges, within):
    score = [3.0, 1.0, 2.0, -1.0]
    expected = torch.tensor(marginals(score, edges))
    index = torch.tensor(edges).T
    agreed = network.Links.of(torch.tensor(score), index, 6, rounds=8)
    torch.testing.assert_close(agreed.into.exp(), expected, atol=within, rtol=0)
    torch.testing.assert_close(agreed.out_of.exp(), expected, atol=within, rtol=0)
    alone = network.Links.of(torch.tensor(score), index, 6)
    assert (alone.into.exp() - expected).abs().max() > 0.1, "test invalid"


def test_what_speaks_against_a_certain_link_is_told_without_it():
    score = torch.tensor([20.0, 0.0, 20.0], requires_grad=True)
    others = network.log_others(score, torch.tensor([0, 0, 1]), choices=2)
    expected = torch.tensor([math.log(2), math.log(1 + math.exp(20)), 0.0])
    torch.testing.assert_close(others, expected, atol=1e-4, rtol=1e-6)
    others.sum().backward()
    assert torch.isfinite(score.grad).all()


def test_evidence_flows_along_certain_links_as_running_sums(examples):
    """With every true link at weight 1 and all others at 0, evidence counts a track's steps."""
    cut = examples.cut(0)
    order = network.tape(cut)
    n = len(cut.frame)
    sender, receiver = cut.edge_index
    next_to = cut.frame[receiver] - cut.frame[sender] == 1
    link = (cut.linked & next_to).float()[:, None]
    reached = network.flow(torch.zeros(2 * n, 1), link[order.edge], link[order.edge], order)[
        order.place
    ]
    past, future = reached[:n, 0], reached[n:, 0]
    drawn_frame = cut.frame.float()
    assert torch.equal(past, drawn_frame), "no particle of this video is out of reach"
    assert torch.equal(future, 7 - drawn_frame)


def test_evidence_flows_over_gaps():
    """a . a: the edge of lag 2 carries over the missed detection, in both directions."""
    cut = examples_of(video([(0, 5, 5, 0), (2, 5, 5, 0), (3, 5, 5, 0)])).cut(0)
    order = network.tape(cut)
    link = cut.linked.float()[:, None]
    reached = network.flow(torch.zeros(6, 1), link[order.edge], link[order.edge], order)
    assert reached[order.place].flatten().tolist() == [0, 1, 2, 2, 1, 0]


def test_the_link_loss_is_least_for_the_truth(examples):
    cut = examples.cut(0)
    n = len(cut.frame)

    def loss(linked: torch.Tensor) -> float:
        score = torch.where(linked, 20.0, -20.0)
        found = network.Links.of(score, cut.edge_index, n)
        return float(found.loss(cut.linked, cut.edge_index))

    assert loss(cut.linked) < 1e-6
    wrong = cut.linked.clone()
    wrong[torch.nonzero(cut.linked)[0]] = False
    assert loss(wrong) > 0.1


def test_the_parent_choice_leaves_daughters_free(examples):
    """Both daughters choose their mother at no cost; the link loss makes the mother choose one."""
    built = graphs.build(dividing(), Graph(radius=0.3))
    batch = dataset.GraphSet(built, Features(node=(), edge=("distance",))).cut(0)
    score = torch.where(batch.linked, 20.0, -20.0)
    nodes = len(batch.frame)
    links = network.Links.of(score, batch.edge_index, nodes)
    assert float(links.parent_choice(batch.linked, batch.edge_index)) == pytest.approx(0, abs=1e-6)
    both = float(links.loss(batch.linked, batch.edge_index))
    assert both == pytest.approx(2 * np.log(2) / (2 * nodes), rel=1e-4)
    wrong = float(links.parent_choice(~batch.linked, batch.edge_index))
    assert wrong > 1, "test invalid"


def test_moments_tell_steps_that_differ_from_steps_alike():
    """One particle waits and jumps by turns, the other goes on: the s.d. of ln d differs."""
    features = Features(node=(), edge=("log_distance",))
    settings = Network(
        kind="magik_tracks", encoder=(8,), decoder=(8,), heads=1, evidence=3, moments=True
    )
    torch.manual_seed(0)
    net = network.build(settings, features).eval()
    tracks = net.blocks[0].tracks
    spread = []
    for steps in ([1.0, 1.0, 1.0, 1.0], [0.1, 2.0, 0.1, 2.0]):
        x = np.cumsum([0.0, *steps])
        drawn = video([(t, float(at), 5.0, 0) for t, at in enumerate(x)])
        batch = dataset.GraphSet(graphs.build(drawn, Graph(radius=0.3, max_lag=1)), features).cut(0)
        n, e = len(batch.frame), len(batch.distance)
        total = torch.zeros(n, 5)
        total[:, 0], total[:, 3] = e, batch.edges.sum()
        total[:, 4] = batch.edges.square().sum()
        spread.append(float(network._mean(total, 1)[0, -1] * (1 + 1 / e)))
        assert tracks.measured == 1
    assert spread[1] > 1.5 * spread[0]
