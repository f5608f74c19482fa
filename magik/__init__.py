"""magik: motion in microscopy videos, measured with a graph neural network.

The modules stand in shelves; `magik.layers` says which may import which.
"""

__version__ = "0.1.0"
