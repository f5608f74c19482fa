"""The spacing of points that a reader can place."""

import numpy as np
import pytest

from magik import neighbours


def test_spacing_is_the_distance_to_the_nearest_in_the_same_frame():
    """Frames stand close together in time, yet the nearest cell is never one of another frame."""
    position = np.array([[0, 0], [3, 0], [1, 0], [6, 0.0]])
    assert neighbours.spacing(position, np.array([0, 0, 1, 1])) == pytest.approx(4)
    assert np.isnan(neighbours.spacing(position[:1], np.array([0])))
    assert np.isnan(neighbours.spacing(position[[0, 2]], np.array([0, 1])))
