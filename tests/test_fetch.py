"""Downloads, from a server of our own on this machine."""

import hashlib
import http.server
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from magik import fetch
from magik.errors import InputError


def packed(files: dict[str, bytes]) -> bytes:
    """A zip, stored as it is, so that its size is known."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


FILES = {"set/01/t000.tif": bytes(range(256)) * 400, "set/01_GT/TRA/man_track.txt": b"1 0 0 0\n"}
ZIP = packed(FILES)
SHA256 = hashlib.sha256(ZIP).hexdigest()


class Provider(http.server.ThreadingHTTPServer):
    """Serves `content` as /set.zip; knows ranges; may cut, and notes what it was asked."""

    daemon_threads = True
    content = ZIP
    cut_after: int | None = None
    knows_ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        """What /set.zip is appended to."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        if self.path != "/set.zip":
            return self.send_error(404)
        first = int(re.findall(r"\d+", asked)[0]) if asked and self.server.knows_ranges else 0
        body = self.server.content[first:]
        if not body:
            return self.send_error(416)
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut_after])

    def log_message(self, *_: object) -> None:
        """Tests are silent."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def stands(folder: Path) -> dict[str, bytes]:
    """All files in a folder by their paths."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_set_is_downloaded_and_unpacked(tmp_path, provider):
    fetch.fetch("set", tmp_path / "data", provider.url, SHA256)
    assert stands(tmp_path / "data") == FILES
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["set"]


def test_a_folder_that_is_there_is_used(tmp_path, provider):
    (tmp_path / "set").mkdir()
    fetch.fetch("set", tmp_path, provider.url, SHA256)
    assert provider.ranges == []


def test_a_cut_download_goes_on_where_it_stopped(tmp_path, provider):
    provider.cut_after = 50_000
    with pytest.raises(InputError, match=rf"lost \(50000 of {len(ZIP)} bytes\)"):
        fetch.fetch("set", tmp_path, provider.url, SHA256)
    assert (tmp_path / "set.zip.part").stat().st_size == 50_000
    assert not (tmp_path / "set").exists()

    provider.cut_after = None
    fetch.fetch("set", tmp_path, provider.url, SHA256)
    assert provider.ranges == [None, "bytes=50000-"]
    assert stands(tmp_path) == FILES


@pytest.mark.parametrize("share", [0.3, 1])
def test_a_part_is_not_trusted_where_the_server_sends_all(tmp_path, provider, share):
    provider.knows_ranges = False
    (tmp_path / "set.zip.part").write_bytes(ZIP[: int(share * len(ZIP))])
    fetch.fetch("set", tmp_path, provider.url, SHA256)
    assert stands(tmp_path) == FILES


def test_a_part_that_was_whole(tmp_path, provider):
    (tmp_path / "set.zip.part").write_bytes(ZIP)
    fetch.fetch("set", tmp_path, provider.url, SHA256)
    assert stands(tmp_path) == FILES


def test_another_checksum_is_refused_and_the_file_removed(tmp_path, provider):
    with pytest.raises(InputError, match=f"SHA-256 {SHA256}; expected 0000"):
        fetch.fetch("set", tmp_path, provider.url, "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_a_line_says_what_to_do(tmp_path):
    with Provider() as gone:
        url = gone.url
    with pytest.raises(InputError, match="the network was not reached") as error:
        fetch.fetch("set", tmp_path, url, SHA256)
    assert f"A folder placed at {tmp_path / 'set'} is used instead" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_set_that_the_provider_lacks(tmp_path, provider):
    with pytest.raises(InputError, match="the provider answers 404"):
        fetch.fetch("other", tmp_path, provider.url, SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_set_without_a_checksum(tmp_path, provider):
    with pytest.raises(InputError, match=r"no checksum of 'set' is known\. Known: DIC-C2DH-HeLa"):
        fetch.fetch("set", tmp_path, provider.url)
    assert provider.ranges == []


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (packed({"set/a": b"", "../outside": b""}), "'../outside' leaves the folder"),
        (packed({"set/../../outside": b""}), "leaves the folder"),
        (packed({"/outside": b""}), "leaves the folder"),
        (packed({"elsewhere/a": b""}), "no folder 'set' in it"),
        (b"no zip at all", "no zip"),
    ],
)
def test_a_zip_that_is_not_a_set(tmp_path, provider, content, line):
    provider.content = content
    folder = tmp_path / "data"
    with pytest.raises(InputError, match=line):
        fetch.fetch("set", folder, provider.url, hashlib.sha256(content).hexdigest())
    assert [path.name for path in folder.iterdir()] == ["set.zip.part"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_every_checksum_is_one():
    assert all(re.fullmatch("[0-9a-f]{64}", checksum) for checksum in fetch.CHECKSUMS.values())


def test_progress_is_told(tmp_path, provider, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "_TELL_EVERY_S", -1.0)
    fetch.fetch("set", tmp_path, provider.url, SHA256)
    assert f"{provider.url}/set.zip: 0 of 0 MB" in capsys.readouterr().err
