"""What every script of the workflow does first: a log that tells why, and a leash.

`start` redirects the file descriptors, not only `sys.stderr`, so that prints of C libraries and
of child processes land in the log as well.
"""

import ctypes
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import magik
from magik.errors import InputError

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def start(log: str, **facts: object) -> None:
    """Send all output of this process to `log` and end with the parent process.

    Args:
        log: path; its first line names the version and the facts.
        facts: what a reader of the log should know first (rule, seed, device, ...).
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    said = " ".join(f"{name}={value}" for name, value in facts.items())
    print(f"magik {magik.__version__} {said}".rstrip(), flush=True)
    sys.excepthook = report
    leash()


def leash() -> None:
    """Ask the kernel to end this process when Snakemake dies (Linux; elsewhere nothing).

    Without it a killed Snakemake leaves writers behind.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_DIE_WITH_PARENT, signal.SIGTERM)


def side_file(output: str, inputs: Iterable[str], settings: Mapping[str, object]) -> Path:
    """Where a job keeps what it needs to resume: beside its output, named by what makes it.

    Snakemake does not know of this file and so leaves it alone when the job is killed. A run
    with other data, settings or code finds no file of its name and starts afresh.

    Args:
        output: path of the result.
        inputs: paths of the files that the result rests on; their bytes count.
        settings: JSON values: settings, seed, hash of the code.
    """
    digest = hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode())
    for path in inputs:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return Path(f"{output}.{digest.hexdigest()[:16]}.resume")


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A name beside `path` to write to; renamed to it at the end, so that no part stands there.

    The name ends as `path` does, because many writers choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield aside / path.name
        os.replace(aside / path.name, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An `InputError` in one line; anything else with its traceback."""
    if isinstance(error, InputError):
        print(f"error: {error}", file=sys.stderr, flush=True)
    else:
        traceback.print_exception(kind, error, trace)
