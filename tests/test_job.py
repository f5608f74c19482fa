"""A job's log tells why it failed, and a job ends with whoever started it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from magik import job


def run(body: str, tmp_path) -> tuple[int, str]:
    """Exit code and log of a script that starts as those of the workflow do."""
    log = tmp_path / "job.log"
    script = f"from magik import errors, job\njob.start({str(log)!r}, rule='test', seed=3)\n{body}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == done.stderr == ""
    return done.returncode, log.read_text()


def test_the_first_line_says_version_rule_and_seed(tmp_path):
    code, log = run("", tmp_path)
    assert code == 0
    assert log.startswith("magik ")
    assert "rule=test seed=3" in log


def test_a_users_mistake_is_one_line(tmp_path):
    code, log = run("raise errors.InputError('movie.tif: not a TIFF')", tmp_path)
    assert code == 1
    assert log.splitlines()[1:] == ["error: movie.tif: not a TIFF"]


def test_our_own_mistake_keeps_its_traceback(tmp_path):
    code, log = run("1 / 0", tmp_path)
    assert code == 1
    assert "Traceback" in log
    assert "ZeroDivisionError" in log


@pytest.mark.parametrize(
    "speaker",
    [
        "print('heard')",
        "import sys; print('heard', file=sys.stderr)",
        "import os; os.write(2, b'heard')",  # as a C library would
        "import subprocess; subprocess.run(['echo', 'heard'])",
    ],
)
def test_whoever_speaks_is_heard_in_the_log(speaker, tmp_path):
    assert "heard" in run(speaker, tmp_path)[1]


@pytest.mark.skipif(sys.platform != "linux", reason="the leash is the kernel's, on Linux")
def test_a_job_ends_when_its_parent_is_killed(tmp_path):
    """Without the leash it would live on and write."""
    child = "from magik import job; import os, time; job.leash(); print(os.getpid(), flush=True)"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys;"
            f"subprocess.run([sys.executable, '-c', {child + '; time.sleep(60)'!r}])",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the job lived on")


def test_a_side_file_is_named_by_all_that_makes_the_result(tmp_path):
    data = tmp_path / "data"
    data.write_text("one")
    name = job.side_file("out", [str(data)], {"seed": 1})
    assert name == job.side_file("out", [str(data)], {"seed": 1})
    assert name != job.side_file("out", [str(data)], {"seed": 2})
    data.write_text("two")
    assert name != job.side_file("out", [str(data)], {"seed": 1})


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "new" / "table.csv"

    def interrupted():
        with job.whole(path) as aside:
            aside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(path.parent.iterdir()) == []
    with job.whole(path) as aside:
        aside.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]
