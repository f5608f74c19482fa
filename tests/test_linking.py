"""Linking: every rule of the paper's algorithm on drawn cells, and the best set by brute force."""

from collections import Counter
from itertools import chain, combinations, compress, pairwise, permutations, product

import numpy as np
import pytest
import xarray as xr
from scipy.special import logit

from magik import lineage, linking, schema
from magik.config import Linking
from magik.errors import InputError

BOTH = pytest.mark.parametrize("method", ["published", "global"])
Scene = tuple[dict[str, tuple[int, float]], dict[str, float]]


def store(*scenes: Scene) -> tuple[xr.Dataset, xr.Dataset]:
    """EDGES and LOCALIZATIONS, a video a scene: {cell: (frame, x)}, {two cells: probability}."""
    row = [{name: i for i, name in enumerate(cells)} for cells, _ in scenes]
    at = np.array([place for cells, _ in scenes for place in cells.values()], float)
    at = at.reshape(-1, 2)
    names = [[row[v][n] for n in pair] for v, (_, e) in enumerate(scenes) for pair in e]
    sender, receiver = np.array(names, int).reshape(-1, 2).T
    sizes = ("video", np.array([len(cells) for cells, _ in scenes]))
    localizations = xr.Dataset(
        {
            "row_size": sizes,
            "n_frames": ("video", np.full(len(scenes), 9)),
            "frame": ("localization", at[:, 0].astype(int)),
            "x": ("localization", at[:, 1]),
            "y": ("localization", np.zeros(len(at))),
            "area": ("localization", np.full(len(at), 7.0)),
        },
        attrs={"field_of_view": [9, 9]},
    )
    edges = xr.Dataset(
        {
            "row_size": sizes,
            "n_edge": ("video", np.array([len(e) for _, e in scenes])),
            "sender": ("edge", sender),
            "receiver": ("edge", receiver),
            "probability": ("edge", np.array([p for _, e in scenes for p in e.values()], float)),
        },
        attrs={"max_lag": 3, "target_name": "linked", "trained_on": "drawn"},
    )
    return schema.check(edges, schema.EDGES, "edges"), localizations


def links(cells: dict[str, tuple[int, float]], edges: dict[str, float], **config) -> set[str]:
    """Links that tracks are made of, such as {"ab"}."""
    tracks = linking.run(*store((cells, edges)), Linking(**config))
    name = list(cells)
    return {name[a] + name[b] for a, b in lineage.links_of_tracks(tracks)[0].T}


# --- the rules of Methods ------------------------------------------------------------------


@BOTH
def test_an_edge_above_the_threshold_is_a_link(method):
    cells = {"a": (0, 1), "b": (0, 5), "c": (1, 1), "d": (1, 5)}
    edges = {"ac": 0.9, "bd": 0.5, "ad": 0.1}
    assert links(cells, edges, method=method) == {"ac"}, "½ is not above ½"
    assert links(cells, edges, method=method, threshold=0.4) == {"ac", "bd"}


@BOTH
def test_probability_and_not_distance_links_cells_that_cross(method):
    """x = 1 2 3 and 3 2 1, a little apart in the middle."""
    cells = {"a": (0, 1), "A": (0, 3), "b": (1, 1.9), "B": (1, 2.1), "c": (2, 3), "C": (2, 1)}
    edges = {"ab": 0.9, "AB": 0.9, "bc": 0.9, "BC": 0.9, "aB": 0.2, "Ab": 0.2, "bC": 0.2, "Bc": 0.2}
    assert links(cells, edges, method=method) == {"ab", "bc", "AB", "BC"}


@BOTH
def test_a_gap_is_bridged_and_the_trajectory_interrupted_beyond_the_last_edge(method):
    cells = {"a": (0, 1), "b": (2, 1), "c": (5, 1)}
    tracks = linking.run(*store((cells, {"ab": 0.9, "bc": 0.3})), Linking(method=method))
    assert tracks["track"].values.tolist() == [0, 0, 1]
    assert tracks["parent"].values.tolist() == [-1, -1]


def test_later_frames_are_looked_at_only_if_the_next_has_no_linked_edge():
    cells = {"a": (0, 1), "b": (1, 1), "c": (2, 1)}
    assert links(cells, {"ab": 0.6, "ac": 0.99}) == {"ab"}
    assert links(cells, {"ab": 0.4, "ac": 0.99}) == {"ac"}


@BOTH
def test_an_edge_that_skips_a_localization_of_its_track_makes_no_division(method):
    """All edges along a track are linked, as with a network trained on skips."""
    cells = dict(zip("abcd", [(frame, 1.0) for frame in range(4)], strict=True))
    edges = {"ab": 0.9, "bc": 0.9, "cd": 0.9, "ac": 0.95, "bd": 0.95, "ad": 0.98}
    assert links(cells, edges, method=method) == {"ab", "bc", "cd"}


@BOTH
def test_two_linked_edges_are_a_division_and_their_receivers_independent(method):
    cells = {"m": (0, 2), "a": (1, 1), "b": (1, 3), "A": (2, 1), "B": (2, 3)}
    edges = {"ma": 0.9, "mb": 0.8, "aA": 0.9, "bB": 0.9}
    tracks = linking.run(*store((cells, edges)), Linking(method=method))
    assert tracks["track"].values.tolist() == [0, 1, 2, 1, 2]
    assert tracks["parent"].values.tolist() == [-1, 0, 0]
    one = {"mb", "aA", "bB"} if method == "published" else {"ma", "aA", "bB"}
    nearer_b = cells | {"a": (1, 0)}
    assert links(nearer_b, edges, method=method, children=1) == one


def test_of_three_receivers_the_farthest_is_dropped_however_likely():
    cells = {"m": (0, 2), "a": (1, 1), "b": (1, 4), "c": (1, 3)}
    edges = {"ma": 0.6, "mb": 0.99, "mc": 0.7}
    assert links(cells, edges) == {"ma", "mc"}
    assert links(cells, edges, method="global") == {"mb", "mc"}, "it goes by probability"
    assert links(cells, edges, children=3) == {"ma", "mb", "mc"}


@BOTH
def test_a_trajectory_that_starts_late_is_not_lost(method):
    cells = {"a": (0, 1), "b": (1, 1), "c": (3, 5), "d": (4, 5), "e": (4, 9)}
    tracks = linking.run(*store((cells, {"ab": 0.9, "cd": 0.9})), Linking(method=method))
    assert tracks["track"].values.tolist() == [0, 0, 1, 1, 2]


@BOTH
def test_a_receiver_keeps_the_likelier_sender_and_both_if_tracks_may_merge(method):
    cells = {"a": (0, 1), "b": (0, 2), "c": (1, 1)}
    edges = {"ac": 0.7, "bc": 0.9}
    assert links(cells, edges, method=method) == {"bc"}
    tracks = linking.run(*store((cells, edges)), Linking(method=method, parents=2))
    assert tracks["track"].values.tolist() == [0, 1, 2], "both end, another one begins"
    assert links(cells, edges, method=method, parents=2) == {"ac", "bc"}


def test_a_sender_that_is_refused_looks_further():
    """b keeps A. a then follows its edge to c, in a later frame."""
    cells = {"a": (0, 1), "A": (0, 2), "b": (1, 1), "c": (2, 1)}
    assert links(cells, {"ab": 0.7, "Ab": 0.9, "ac": 0.6}) == {"Ab", "ac"}
    assert links(cells, {"ab": 0.7, "Ab": 0.9, "ac": 0.6, "bc": 0.8}) == {"Ab", "bc"}


@BOTH
def test_equal_probabilities_do_not_make_the_answer_depend_on_the_order_of_edges(method):
    cells = {"a": (0, 1), "A": (0, 2), "b": (1, 1.4), "B": (1, 3)}
    edges = {"ab": 0.8, "Ab": 0.8, "aB": 0.8, "AB": 0.8}
    backwards = dict(reversed(edges.items()))
    found = links(cells, edges, method=method, children=1)
    assert found == links(cells, backwards, method=method, children=1)
    assert found in ({"ab", "AB"}, {"aB", "Ab"})


# --- stores --------------------------------------------------------------------------------


@BOTH
def test_videos_do_not_know_of_each_other(method):
    alone = ({"a": (0, 1), "b": (1, 1), "c": (1, 2)}, {"ab": 0.9, "ac": 0.8})
    empty = ({}, {})
    edgeless = ({"a": (0, 1), "b": (1, 1)}, {})
    tracks = linking.run(*store(alone, empty, edgeless, alone), Linking(method=method))
    schema.check(tracks, schema.TRACKS, "tracks")
    assert tracks["track"].values.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert tracks["parent"].values.tolist() == [-1, 0, 0, -1, -1, -1, 5, 5]
    assert tracks.attrs["linker"] == "magik"
    assert tracks.attrs["threshold"] == 0.5
    assert "area" in tracks


@BOTH
@pytest.mark.parametrize("scenes", [[({}, {})], [({"a": (0, 1), "b": (1, 1)}, {"ab": 0.1})]])
def test_no_linked_edge_leaves_every_localization_alone(method, scenes):
    edges, localizations = store(*scenes)
    tracks = linking.run(edges, localizations, Linking(method=method))
    assert tracks["track"].values.tolist() == list(range(localizations.sizes["localization"]))


def test_edges_of_another_store_are_refused():
    edges, _ = store(({"a": (0, 1), "b": (1, 1)}, {"ab": 0.9}))
    _, others = store(({"a": (0, 1)}, {}))
    with pytest.raises(InputError, match=r"edges between 2 .* but 1 localizations"):
        linking.run(edges, others, Linking())


# --- the best set --------------------------------------------------------------------------


def test_the_best_set_gives_up_a_good_link_for_two_others():
    """A greedy choice would take Ab and leave a alone."""
    cells = {"a": (0, 1), "A": (0, 1.2), "b": (1, 1), "c": (1, 2)}
    edges = {"ab": 0.9, "Ab": 0.95, "Ac": 0.8}
    assert links(cells, edges, method="global", children=1) == {"ab", "Ac"}
    assert links(cells, edges) == {"Ab", "Ac"}, "test invalid"


@pytest.mark.parametrize(("children", "parents"), [(1, 1), (2, 1), (2, 2)])
def test_no_set_of_links_scores_higher(children, parents):
    """All 2^n sets of n <= 9 linked edges between two frames, 3 cells each."""
    rng = np.random.default_rng(children + 10 * parents)
    cells = {c: (0, float(i)) for i, c in enumerate("abc")}
    cells |= {c: (1, float(i)) for i, c in enumerate("ABC")}
    for _ in range(8):
        edges = {s + r: float(rng.uniform(0.05, 1)) for s, r in product("abc", "ABC")}
        linked = linking.Linked.of(*store((cells, edges)), 0.3)
        score = logit(linked.probability) - logit(0.3)
        sets = np.array(list(product([False, True], repeat=len(score))))
        leaving = np.stack([sets[:, linked.sender == row].sum(axis=1) for row in range(3)])
        reaching = np.stack([sets[:, linked.receiver == row].sum(axis=1) for row in range(3, 6)])
        allowed = (leaving <= children).all(axis=0) & (reaching <= parents).all(axis=0)
        chosen = linking.best_set(linked, 0.3, children, parents)
        assert score[chosen].sum() == pytest.approx((sets[allowed] @ score).max())


def drawn(edges: dict[str, float], frames: str = "abcd") -> tuple[linking.Linked, list[str]]:
    """Linked edges above 0.3 between cells of one or two letters' frames, and their names."""
    cells = {name: (frames.index(name.lower()), 1.0) for pair in edges for name in pair}
    cells = dict(sorted(cells.items(), key=lambda cell: cell[1]))
    linked = linking.Linked.of(*store((cells, edges)), 0.3)
    name = list(cells)
    ends = zip(linked.sender, linked.receiver, strict=True)
    return linked, [name[a] + name[b] for a, b in ends]


def best(edges: dict[str, float]) -> set[str]:
    """The best set of edges between cells a, A in frame 0, b, B in frame 1, ...; threshold 0.3."""
    linked, names = drawn(edges)
    return {names[e] for e in linking.best_set(linked, 0.3, 2, 1)}


@pytest.mark.parametrize(
    ("edges", "chosen"),
    [
        ({"ab": 0.8, "bc": 0.7, "ac": 0.6}, {"ab", "bc"}),
        ({"ab": 0.8, "bc": 0.7, "ac": 0.7}, {"ab", "bc"}),
        ({"ab": 0.35, "bc": 0.35, "ac": 0.99}, {"ac"}),
        ({"ab": 0.9, "bc": 0.35, "ac": 0.95}, {"ac"}),
        ({"ab": 0.9, "bc": 0.9, "ac": 0.95}, {"ab", "bc"}),
        ({"ab": 0.9, "ac": 0.95}, {"ab", "ac"}),
    ],
    ids=["likelier", "as likely", "weak", "half weak", "two for one", "no detour"],
)
def test_an_edge_gives_way_to_a_detour_as_likely_or_of_higher_score(edges, chosen):
    assert best(edges) == chosen


def test_a_detour_of_many_steps_counts_by_its_weakest():
    """From a over b and c to d."""
    steps = {"ab": 0.9, "bc": 0.4, "cd": 0.9}
    assert best(steps | {"ad": 0.4}) == {"ab", "bc", "cd"}
    assert best(steps | {"ad": 0.9999}) == {"bc", "ad"}, "beside ab it would be a division"


def test_what_is_left_out_can_be_reached_no_worse_without_it():
    """ac, left out for a-b-c, is a step of the detour that ad is left out for."""
    edges = {"ab": 0.9, "bc": 0.9, "ac": 0.8, "cd": 0.7, "ad": 0.6}
    linked, names = drawn(edges)
    edge, rivals = linking._without_skips(linked)
    assert [names[e] for e in edge] == ["ab", "bc", "cd"]
    assert rivals.shape == (2, 0)


@pytest.mark.parametrize(("children", "parents"), [(1, 1), (2, 1), (2, 2)])
def test_no_set_over_gaps_scores_higher(children, parents):
    """All 2^n sets of the edges that are left of 10 between 5 frames; detours by search."""
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(12):
        edges = {a + b: float(rng.uniform(0.1, 1)) for a, b in combinations("abcde", 2)}
        linked, names = drawn(edges, "abcde")
        above = dict(zip(names, linked.probability.tolist(), strict=True))
        detour = {name: max(_detours(above, *name), default=0) for name in names}
        left = [name for name in names if detour[name] < above[name]]
        best_score, plain = 0.0, 0.0
        for kept in product([False, True], repeat=len(left)):
            some = list(compress(left, kept))
            most = [max(Counter(name[end] for name in some).values(), default=0) for end in (0, 1)]
            if most[0] > children or most[1] > parents:
                continue
            score = sum(float(logit(above[name]) - logit(0.3)) for name in some)
            plain = max(plain, score)
            together = [(x[1], y[1]) for x, y in permutations(some, 2) if x[0] == y[0]]
            if not any(a + b in above or _detours(above, a, b) for a, b in together):
                best_score = max(best_score, score)
        chosen = linking.best_set(linked, 0.3, children, parents)
        score = logit(linked.probability[chosen]) - logit(0.3)
        assert score.sum() == pytest.approx(best_score)
        refused += plain > best_score + 1e-9
    assert refused > 0 or children == 1, "test invalid"


def _detours(above: dict[str, float], a: str, b: str) -> list[float]:
    """The weakest edge of each path of two or more from a to b."""
    between = "abcde"["abcde".index(a) + 1 : "abcde".index(b)]
    paths = chain.from_iterable(combinations(between, n) for n in range(1, len(between) + 1))
    steps = [["".join(step) for step in pairwise((a, *path, b))] for path in paths]
    return [min(map(above.get, path)) for path in steps if all(step in above for step in path)]


def test_detours_of_many_edges_are_found_at_once():
    """5,000 cells in 10 frames, all of the edges over 1 to 4 frames linked: 150,000 edges."""
    rng = np.random.default_rng(0)
    row = np.arange(50_000).reshape(10, 5_000)
    pairs = [(row[: -k or None], row[k:], k) for k in range(1, 5)]
    sender = np.concatenate([a[: len(b)].ravel() for a, b, _ in pairs])
    receiver = np.concatenate([b.ravel() for _, b, _ in pairs])
    order = np.lexsort((sender, receiver))
    sender, receiver = sender[order], receiver[order]
    lag = (receiver - sender) // 5_000
    linked = linking.Linked(sender, receiver, rng.uniform(0.5, 1, len(lag)), lag, 0.0 * lag)
    edge, rivals = linking._without_skips(linked)
    assert np.all(np.isin(np.flatnonzero(lag == 1), edge)), "nothing is between its ends"
    assert np.all(sender[edge[rivals[0]]] == sender[edge[rivals[1]]])


def test_a_daughter_seen_late_is_still_a_daughter():
    """b is a real daughter: nothing leads from it to c, so that the edge to c skips nothing."""
    cells = {"m": (0, 2), "b": (1, 1), "B": (2, 1), "c": (2, 3)}
    edges = {"mb": 0.9, "bB": 0.9, "mc": 0.9, "bc": 0.2}
    assert links(cells, edges, method="global") == {"mb", "bB", "mc"}
    assert links(cells, edges) == {"mb", "bB"}, "the paper's sees the first frame alone"


def test_certainty_is_a_finite_score():
    cells = {"a": (0, 1), "A": (0, 2), "b": (1, 1), "c": (1, 2)}
    edges = {"ab": 1.0, "Ab": 1.0, "Ac": 0.9, "ac": 0.0}
    for threshold in (0.0, 0.5):
        config = {"method": "global", "children": 1, "threshold": threshold}
        assert links(cells, edges, **config) == {"ab", "Ac"}
