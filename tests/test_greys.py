"""Black and white of images whose percentiles a reader can name."""

import numpy as np
import pytest

from magik import greys


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (np.arange(101), (10, 90)),
        (np.append(np.arange(101.0), [np.nan, np.inf, -np.inf]), (10, 90)),
        (np.full((2, 3), 0.5), (0.5, 1.5)),
        (np.full((2, 3), np.nan), (0, 1)),
        (np.zeros((0, 3), np.uint8), (0, 1)),
    ],
)
def test_limits_are_percentiles_of_what_is_finite(counts, expected):
    assert greys.limits(counts, (10, 90)) == expected
