"""Training sets of the Cell Tracking Challenge, from their provider.

They may be downloaded by anyone but not passed on, so the project holds none; each is known by
its checksum.
"""

import hashlib
import http.client
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import BinaryIO

from magik.errors import InputError
from magik.job import whole

BASE_URL = "https://data.celltrackingchallenge.net/training-datasets"

CHECKSUMS = {
    "DIC-C2DH-HeLa": "832fed2d05bb7488cf9c51a2994b75f8f3f53b3c3098856211f2d39023c34e1a",
    "Fluo-N2DH-GOWT1": "1a7bd9a7d1d10c4122c7782427b437246fb69cc3322a975485c04e206f64fc2c",
    "Fluo-N2DL-HeLa": "35dd99d58e071aba0b03880128d920bd1c063783cc280f9531fbdc5be614c82e",
    "PhC-C2DH-U373": "b18185c18fce54e8eeb93e4bbb9b201d757add9409bbf2283b8114185a11bc9e",
    "PhC-C2DL-PSC": "9d54bb8febc8798934a21bf92e05d92f5e8557c87e28834b2832591cdda78422",
}
"""SHA-256 of NAME.zip, as in the registry of torch-em."""

_BLOCK_BYTES = 2**20
_TELL_EVERY_S = 10.0
_PATIENCE_S = 60.0


def fetch(name: str, folder: Path, base_url: str = BASE_URL, sha256: str | None = None) -> None:
    """Download a training set and unpack it to `folder/name`; nothing if that folder is there.

    A download that was cut goes on where it stopped, from `name.zip.part`.

    Args:
        name: of the set, such as DIC-C2DH-HeLa.
        folder: where sets lie; it is made.
        base_url: what `/name.zip` is appended to.
        sha256: of the file; by default that of CHECKSUMS.

    Raises:
        InputError: if the set is not known, the provider is not reached or lacks it, the file
            has another checksum, or is no zip of one folder `name`.
    """
    target = folder / name
    if target.is_dir():
        return
    expected = sha256 or CHECKSUMS.get(name)
    if expected is None:
        raise InputError(f"no checksum of '{name}' is known. Known: {', '.join(CHECKSUMS)}")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.zip.part"
    _download(f"{base_url}/{name}.zip", part, target)
    found = _checksum(part)
    if found != expected:
        part.unlink()
        raise InputError(
            f"{base_url}/{name}.zip: SHA-256 {found}; expected {expected}. The file was removed; "
            "run again, or see whether the provider has a new version"
        )
    _unpack(part, target)
    part.unlink()


def _download(url: str, part: Path, target: Path) -> None:
    """Append to `part` what it lacks of `url`."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    instead = f"A folder placed at {target} is used instead"
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
            if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
                have = 0  # the server sends all of it again
            size = have + int(answer.headers["Content-Length"] or 0)
            with open(part, "ab" if have else "wb") as file:
                _copy(answer, file, have, size, url)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # all of it was there already
        raise InputError(
            f"{url}: the provider answers {error.code} {error.reason}. {instead}"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"{url}: the network was not reached or was lost ({getattr(error, 'reason', error)}); "
            f"the next run goes on from what has come. {instead}"
        ) from None


def _copy(answer: http.client.HTTPResponse, file: BinaryIO, have: int, size: int, url: str) -> None:
    """All of an answer, with a line on standard error now and then."""
    told = time.monotonic()
    while block := answer.read(_BLOCK_BYTES):
        file.write(block)
        have += len(block)
        if time.monotonic() - told > _TELL_EVERY_S:
            told = time.monotonic()
            print(f"{url}: {have / 1e6:.0f} of {size / 1e6:.0f} MB", file=sys.stderr, flush=True)
    if have < size:  # a closed connection looks like the end
        raise ConnectionError(f"{have} of {size} bytes")


def _checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(path: Path, target: Path) -> None:
    """The folder of the set out of its zip, whole or not at all."""
    try:
        with zipfile.ZipFile(path) as archive, whole(target) as aside:
            for member in archive.namelist():
                inside = Path(member)
                if inside.is_absolute() or ".." in inside.parts:
                    raise InputError(f"{path}: '{member}' leaves the folder; expected none to")
                if inside.parts[:1] == (target.name,):
                    archive.extract(member, aside.parent)
            if not aside.is_dir():
                raise InputError(f"{path}: no folder '{target.name}' in it")
    except zipfile.BadZipFile as damage:
        raise InputError(f"{path}: no zip ({damage}); expected one") from None
