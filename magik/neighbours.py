"""How far apart localizations lie: the length that everything about cells is measured in."""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree


def spacing(position: Float[np.ndarray, "rows axes"], frame: Int[np.ndarray, " rows"]) -> float:
    """Median distance of a localization to the nearest in its frame.

    Args:
        position: px.
        frame: of each, ordered.

    Returns:
        px; NaN where no frame has two localizations apart.
    """
    if len(position) < 2:
        return np.nan
    # frames stand as sheets far apart, so that the nearest is in the same one
    apart = 2 * float(np.linalg.norm(np.ptp(position, axis=0))) + 1
    sheets = np.column_stack([position, frame * apart])
    nearest = cKDTree(sheets).query(sheets, k=2)[0][:, 1]
    nearest = nearest[(nearest > 0) & (nearest < apart)]
    return float(np.median(nearest)) if len(nearest) else np.nan
