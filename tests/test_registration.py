"""Spacings of videos, and jumps of the stage, on points that a reader can place."""

import numpy as np
import pytest

from magik import registration


def colony(frames: int, jump: tuple[float, float], at: int, seed: int = 0):
    """Some fifty cells that jitter, about 10 px apart; from frame `at` on all stand elsewhere."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(7), np.arange(7)), axis=-1).reshape(-1, 2) * 10.0
    cells = grid + rng.normal(scale=2, size=grid.shape)
    position = cells + rng.normal(scale=1, size=(frames, *cells.shape))
    position[at:] += jump
    return position.reshape(-1, 2), np.repeat(np.arange(frames), len(cells))


def test_spacings_are_those_of_each_video():
    position = np.array([[0, 0], [3, 0], [0, 0], [5, 0.0], [1, 1]])
    found = registration.spacings(position, np.zeros(5, int), np.array([0, 2, 4, 5]), alone=64.0)
    np.testing.assert_allclose(found, [3, 5, 64])


@pytest.mark.parametrize("jump", [(13.0, -21.0), (0.0, 30.0), (-7.0, 0.0)])
def test_a_jump_of_the_stage_is_found(jump):
    position, frame = colony(5, jump, at=3)
    stage = registration.drift(position, frame)
    assert np.all(stage[frame < 3] == 0)
    np.testing.assert_allclose(stage[frame >= 3], np.broadcast_to(jump, (98, 2)), atol=2.5)


def test_growth_is_no_jump():
    """A colony that doubles its width in ten frames moves in all directions at once."""
    position, frame = colony(10, (0, 0), at=0)
    centre = position.mean(axis=0)
    grown = centre + (position - centre) * (1 + 0.1 * frame[:, None])
    assert np.all(registration.drift(grown, frame) == 0)


def test_a_few_cells_and_empty_frames_do_not_jump():
    position = np.array([[0, 0], [50, 50], [60, 60], [90, 90.0]])
    assert np.all(registration.drift(position, np.array([0, 0, 3, 3])) == 0)
    assert registration.drift(np.zeros((0, 2)), np.zeros(0, int)).shape == (0, 2)


def test_jumps_add_up_over_missing_frames_and_in_space():
    position, frame = colony(4, (20.0, 0), at=2)
    deep = np.column_stack([position, np.zeros(len(position))])
    stage = registration.drift(deep, frame * 2)
    np.testing.assert_allclose(stage[frame >= 2][0], [20, 0, 0], atol=2.5)


def test_pairs_of_cells_far_apart_are_not_compared_pixel_by_pixel():
    """At a spacing of a hundredth of a px the image of their density would fill the memory."""
    rng = np.random.default_rng(0)
    place = np.repeat(rng.uniform(0, 2000, (20, 2)), 2, axis=0)
    place[1::2, 0] += 0.01
    assert np.all(registration.jump(place, place + 300) == 0)
