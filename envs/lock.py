"""What is installed here -> the lock for pip and the environment for conda: `make lock`.

Both hold the same list: everything that pyproject.toml and its extras bring, exactly.
"""

from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

HERE = Path(__file__).parent
NOT_LOCKED = ("magik", "pip", "wheel")
BROUGHT_BY_TORCH = ("nvidia-", "cuda-", "triton")
"""Where its build is one for GPUs; pip finds them by itself, there and only there."""

HEAD = "# Made by `make lock`. torch: whatever build of this version pip finds.\n"
CONDA = """\
# Made by `make lock`. For clusters: conda env create -f envs/magik.yaml
name: magik
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip=26.3
  - pip:
"""


def main() -> None:
    """Write both files."""
    installed = {
        canonicalize_name(found.name): Version(found.version).public for found in distributions()
    }
    pins = [
        f"{name}=={version}\n"
        for name, version in sorted(installed.items())
        if name not in NOT_LOCKED and not name.startswith(BROUGHT_BY_TORCH)
    ]
    (HERE / "requirements.txt").write_text(HEAD + "".join(pins))
    (HERE / "magik.yaml").write_text(CONDA + "".join(f"      - {pin}" for pin in pins))


if __name__ == "__main__":
    main()
