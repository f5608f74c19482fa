"""Formulas against closed forms and the paper's own numbers."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from magik import physics


def test_displacement_scaling_and_diffusivity_undo_each_other():
    d = np.array([0.0, 0.005, 0.7])
    np.testing.assert_allclose(physics.diffusivity(physics.displacement_scaling(d)), d)
    np.testing.assert_allclose(physics.displacement_scaling(np.array([0.5])), [1.0])


def test_a_negative_diffusivity_is_refused_and_a_negative_scaling_counts_as_zero():
    with pytest.raises(ValueError, match="its minimum is -1"):
        physics.displacement_scaling(np.array([0.1, -1.0]))
    np.testing.assert_array_equal(physics.diffusivity(np.array([-0.3])), [0.0])


def test_crowding_is_the_papers():
    """Methods, Extended Data Fig. 4: 30 particles, 32 x 32 px², mean D = 0.1 px² per frame."""
    dt = np.array([0.5, 1, 2, 4, 8, 16, 32])
    paper = [0.0015, 0.0029, 0.0059, 0.0117, 0.0234, 0.0468, 0.0936]
    np.testing.assert_allclose(physics.crowding(30 / 32**2, 0.1, dt), paper, atol=3e-4)


@pytest.mark.parametrize(
    ("position", "inside"),
    [(3.0, 3.0), (-1.0, 1.0), (11.0, 9.0), (21.0, 1.0), (-11.0, 9.0), (10.0, 10.0), (0.0, 0.0)],
)
def test_walls_reflect_however_often(position, inside):
    """Between walls at 0 and 10."""
    np.testing.assert_allclose(physics.reflect(np.array([position]), 10.0), [inside])


def test_signatures_are_checked_in_the_test_run():
    """Axis names and types mean something here: the hook of conftest.py is on."""
    with pytest.raises(TypeCheckError):
        physics.displacement_scaling([0.1, 0.2])
