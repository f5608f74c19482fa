"""Every test runs with the axis names and types of the signatures checked (jaxtyping, beartype)."""

import os

from jaxtyping import install_import_hook

from magik import layers

# the matrices are small, and test workers share the cores
os.environ.setdefault("OMP_NUM_THREADS", "1")

CHECKED = [
    f"magik.{module}"
    for modules in layers.SHELVES.values()
    for module in modules
    if module not in ("layers", "config")  # layers is loaded; config is checked by pydantic
]
install_import_hook(CHECKED, "typed.check")
