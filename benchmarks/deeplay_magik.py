"""One training step of deeplay's MAGIK, which has no attention; called by run.py.

    python benchmarks/deeplay_magik.py batch.npz repeats

deeplay needs versions of its own, so this runs without magik: `run.py --deeplay PYTHON`.
"""

import json
import resource
import sys
import time
from importlib import metadata

import deeplay
import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
arrays = {name: torch.from_numpy(array) for name, array in np.load(sys.argv[1]).items()}
given = {
    "x": arrays["nodes"],
    "edge_index": arrays["edge_index"],
    "edge_attr": arrays["edges"],
    "distance": arrays["distance"][:, None],
}
linked = arrays["linked"].float()[:, None]
net = deeplay.GraphToEdgeMAGIK([96] * 4, 1).create()  # as its tutorials do


def forward() -> torch.Tensor:
    """The loss on edges."""
    return F.binary_cross_entropy_with_logits(net(dict(given)), linked)


forward()  # widths are inferred here
optimizer = torch.optim.Adam(net.parameters())
times: dict[str, list[float]] = {"forward": [], "step": []}
for _ in range(1 + int(sys.argv[2])):
    began = time.process_time()
    optimizer.zero_grad(set_to_none=True)
    forward().backward()
    optimizer.step()
    times["step"].append(time.process_time() - began)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
for _ in range(int(sys.argv[2])):
    began = time.process_time()
    with torch.no_grad():
        forward()
    times["forward"].append(time.process_time() - began)
least = {name: min(of) for name, of in times.items()}
print(json.dumps({**least, "peak": peak, "version": metadata.version("deeplay")}))
