"""Formulas only: what the quantities of the paper are, in px and frames."""

import numpy as np
from jaxtyping import Float


def displacement_scaling(diffusivity: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """√(2D): standard deviation of a one-frame displacement along one axis.

    This, not D, is what the network regresses (Fig. 4): it is linear in displacement, so an
    error means the same number of pixels for slow and for fast particles.

    Args:
        diffusivity: D >= 0, px² per frame.

    Returns:
        √(2D), px per frame^½, same shape.

    Raises:
        ValueError: if any D is negative.
    """
    if np.any(diffusivity < 0):
        raise ValueError(
            f"diffusivity must be >= 0 px²/frame, but its minimum is {np.min(diffusivity):g}"
        )
    return np.sqrt(2 * diffusivity)


def diffusivity(displacement_scaling: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """D = s²/2, the inverse of `displacement_scaling`; a negative s counts as zero.

    Args:
        displacement_scaling: √(2D), px per frame^½.

    Returns:
        D, px² per frame, same shape.
    """
    return np.maximum(displacement_scaling, 0) ** 2 / 2


def crowding(
    density: float | np.ndarray, diffusivity: float | np.ndarray, dt: float | np.ndarray
) -> float | np.ndarray:
    """c = ρDΔt, the dimensionless crowding of localizations in two dimensions (Methods).

    Args:
        density: ρ, objects per px².
        diffusivity: D, px² per frame.
        dt: Δt, frames.
    """
    return density * diffusivity * dt


def reflect(position: Float[np.ndarray, "*n"], side: float) -> Float[np.ndarray, "*n"]:
    """Positions folded back into [0, side] by hard walls, however far they went.

    The reflected path of a free Brownian walk is the Brownian walk between reflecting walls.
    """
    folded = np.mod(position, 2 * side)
    return np.where(folded > side, 2 * side - folded, folded)
