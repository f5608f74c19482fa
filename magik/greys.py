"""Which counts of an image are shown in black and which in white."""

import numpy as np
from jaxtyping import Num


def limits(
    counts: Num[np.ndarray, "*pixels"], percentiles: tuple[float, float]
) -> tuple[float, float]:
    """Counts shown in black and in white, of the pixels that have a finite one.

    Registration leaves NaN along borders.

    Args:
        counts: of any pixels.
        percentiles: of these counts, in black and in white.

    Returns:
        The second is greater; 0 and 1 where no count is finite.
    """
    finite = counts[np.isfinite(counts)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, percentiles).tolist()
    return low, high if high > low else low + 1
