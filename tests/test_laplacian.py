"""Eigenvectors of the graph: against closed forms, whole against sparse, parts by themselves."""

import numpy as np
import pytest

from magik import laplacian


def path(nodes: int) -> np.ndarray:
    return np.stack([np.arange(nodes - 1), np.arange(1, nodes)])


def ring(nodes: int) -> np.ndarray:
    return np.stack([np.arange(nodes), (np.arange(nodes) + 1) % nodes])


def normalised(edges: np.ndarray, nodes: int) -> np.ndarray:
    """I - D^-½ A D^-½, as written."""
    joined = np.zeros((nodes, nodes))
    joined[tuple(edges)] = joined[tuple(edges[::-1])] = 1
    root = 1 / np.sqrt(joined.sum(axis=0))
    return np.eye(nodes) - root[:, None] * joined * root


def strip(nodes: int, seed: int) -> np.ndarray:
    """A path with chords at random, such as the graph of one particle among others."""
    rng = np.random.default_rng(seed)
    sender = rng.integers(nodes - 5, size=2 * nodes)
    return np.concatenate([path(nodes), [sender, sender + rng.integers(2, 5, 2 * nodes)]], axis=1)


@pytest.mark.parametrize("nodes", [5, 300], ids=["whole", "sparse"])
def test_of_a_path(nodes):
    """λ_k = 1 - cos(π k / (n - 1)); entries √degree cos(π k i / (n - 1))."""
    found = laplacian.encoding(path(nodes), nodes, 3)
    k = np.arange(1, 4)
    wave = np.cos(np.pi * k * np.arange(nodes)[:, None] / (nodes - 1))
    wave[1:-1] *= np.sqrt(2)
    wave *= np.sqrt(nodes) / np.linalg.norm(wave, axis=0)
    np.testing.assert_allclose(np.abs(found), np.abs(wave), atol=1e-6)
    np.testing.assert_allclose(
        normalised(path(nodes), nodes) @ found,
        found * (1 - np.cos(np.pi * k / (nodes - 1))),
        atol=1e-6,
    )


@pytest.mark.parametrize("nodes", [60, 400], ids=["whole", "sparse"])
def test_the_smallest_but_the_first_in_order(nodes):
    edges = strip(nodes, seed=1)
    found = laplacian.encoding(edges, nodes, 4)
    values, vectors = np.linalg.eigh(normalised(edges, nodes))
    assert np.diff(values[:6]).min() > 1e-6, "test invalid"
    np.testing.assert_allclose(np.abs(found), np.abs(vectors[:, 1:5]) * np.sqrt(nodes), atol=1e-6)
    np.testing.assert_allclose((found**2).mean(axis=0), 1)
    assert ((found**3).sum(axis=0) > 0).all()


@pytest.mark.parametrize("nodes", [60, 400], ids=["whole", "sparse"])
def test_the_order_of_nodes_and_edges_does_not_matter(nodes):
    edges, rng = strip(nodes, seed=1), np.random.default_rng(0)
    place = rng.permutation(nodes)
    moved = laplacian.encoding(place[edges[::-1, rng.permutation(edges.shape[1])]], nodes, 4)
    np.testing.assert_allclose(moved[place], laplacian.encoding(edges, nodes, 4), atol=1e-6)


def test_a_pair_joined_twice_is_joined_once():
    once = laplacian.encoding(strip(40, seed=2), 40, 3)
    twice = laplacian.encoding(np.tile(strip(40, seed=2), 2), 40, 3)
    np.testing.assert_allclose(twice, once, atol=1e-9)


def test_parts_have_eigenvectors_of_their_own():
    """Nodes of one part between those of another, and one node alone."""
    one, other = strip(30, seed=3), strip(210, seed=4)
    edges = np.concatenate([2 * one, np.where(other < 30, 2 * other + 1, other + 30)], axis=1)
    found = laplacian.encoding(edges, 241, 4)
    np.testing.assert_allclose(found[0:60:2], laplacian.encoding(one, 30, 4), atol=1e-6)
    of_other = np.r_[1:60:2, 60:240]
    np.testing.assert_allclose(found[of_other], laplacian.encoding(other, 210, 4), atol=1e-6)
    assert (found[240] == 0).all()


def test_small_parts_have_fewer_and_the_rest_is_nought():
    found = laplacian.encoding(path(3), 5, 4)
    assert (found[:, 2:] == 0).all()
    assert (found[3:] == 0).all()
    assert (found[:3, :2] != 0).any(axis=0).all()
    assert laplacian.encoding(np.zeros((2, 0), int), 0, 2).shape == (0, 2)


@pytest.mark.parametrize("nodes", [6, 300], ids=["whole", "sparse"])
def test_a_ring_whose_eigenvalues_come_in_pairs(nodes):
    """Any basis of a pair will do; it is the same each time."""
    found = laplacian.encoding(ring(nodes), nodes, 4)
    np.testing.assert_allclose(found.T @ found / nodes, np.eye(4), atol=1e-6)
    values = 1 - np.cos(2 * np.pi * np.array([1, 1, 2, 2]) / nodes)
    np.testing.assert_allclose(normalised(ring(nodes), nodes) @ found, found * values, atol=1e-6)
    np.testing.assert_array_equal(laplacian.encoding(ring(nodes), nodes, 4), found)
