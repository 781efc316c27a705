import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

from mainstay.platform.processes.files import FileLock, make_folders, read_or_create_secret, write_private
from mainstay.platform.processes.logfile import limit_log, open_log, tail
from mainstay.platform.processes.ports import is_port_free, pick_port

_HOLDER = """
import sys, threading
from pathlib import Path
from mainstay.platform.processes.files import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
threading.Event().wait()
"""


def test_write_private_replaces_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_secret_is_made_once_and_again_when_empty(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    first = read_or_create_secret(path)
    assert len(first) == 48
    assert read_or_create_secret(path) == first
    path.write_text("\n")
    assert read_or_create_secret(path) not in ("", first)


def test_make_folders_sets_the_mode_only_of_what_it_makes(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    make_folders(tmp_path / "a" / "b", 0o711)
    make_folders(tmp_path / "a" / "b", 0o700)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [
        0o750,
        0o711,
        0o711,
    ]


def test_lock_is_exclusive_and_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FileLock(path)
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not lock.acquire()
        assert not lock.is_held
        holder.kill()
    assert lock.acquire()
    assert lock.acquire()
    assert not FileLock(path).acquire()
    lock.release()
    assert FileLock(path).acquire()


def test_log_too_large_is_moved_and_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    handle = open_log(path)
    os.write(handle, b"0123456789\n")
    assert not limit_log(path, bytes_max=11)
    os.write(handle, b"more\n")
    assert limit_log(path, bytes_max=11)
    os.write(handle, b"after\n")
    os.close(handle)
    assert path.read_text() == "after\n"
    assert (tmp_path / "x.log.1").read_text() == "0123456789\nmore\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not limit_log(tmp_path / "none.log")


def test_tail_gives_the_last_lines_after_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("".join(f"line {n}\n" for n in range(5000)))
    assert tail(path, lines=2) == "line 4998\nline 4999"
    mark = path.stat().st_size
    assert tail(path, from_byte=mark) == ""
    with path.open("a") as file:
        file.write("new\n")
    assert tail(path, from_byte=mark) == "new"
    path.write_text("after a truncation\n")
    assert tail(path, from_byte=mark) == "after a truncation"
    assert tail(tmp_path / "none.log") == ""


def test_port_in_use_is_not_free_and_a_picked_one_is() -> None:
    port = pick_port("127.0.0.1")
    assert is_port_free("127.0.0.1", port)
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", port))  # A listener on all addresses takes loopback too.
        taken.listen()
        assert not is_port_free("127.0.0.1", port)
    assert is_port_free("127.0.0.1", port)
