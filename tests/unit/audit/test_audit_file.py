"""The file device: options, opening, appending, partial writes, reopening."""

from __future__ import annotations

import asyncio
import os
import resource
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.audit.file import FileDevice, parse_mode
from strongroom.errors import BadRequest


def device(**options: str) -> FileDevice:
    return FileDevice("file/", "salt", options)


def run(made: FileDevice, *lines: bytes) -> None:
    async def write() -> None:
        await made.open()
        try:
            for line in lines:
                await made.write(line)
        finally:
            await made.close()

    asyncio.run(write())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "file_path is required"),
        ({"file_path": ""}, "file_path is required"),
        ({"file_path": "f", "format": "xml"}, 'unknown format type "xml"'),
        ({"file_path": "f", "format": "JSON"}, 'unknown format type "JSON"'),
        ({"file_path": "f", "log_raw": "maybe"}, 'strconv.ParseBool: parsing "maybe": invalid syntax'),
        ({"file_path": "f", "hmac_accessor": ""}, 'strconv.ParseBool: parsing "": invalid syntax'),
        ({"file_path": "f", "elide_list_responses": 'a"b'}, 'strconv.ParseBool: parsing "a\\"b": invalid syntax'),
        ({"file_path": "f", "mode": "rw"}, 'strconv.ParseUint: parsing "rw": invalid syntax'),
        ({"file_path": "f", "mode": "0999"}, 'strconv.ParseUint: parsing "0999": invalid syntax'),
        ({"file_path": "f", "mode": "7" * 5000}, "value out of range"),
        ({"file_path": "f", "mode": "77777777777"}, "value out of range"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, str], text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        device(**options)
    assert text in caught.value.errors[0]
    assert caught.value.kind == "invalid request"


@given(st.text(max_size=30))
def test_any_text_is_a_mode_or_refused(text: str) -> None:
    with suppress(BadRequest):
        assert 0 <= parse_mode(text) <= 0o7777


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [(None, None, 0o600), (None, 0o644, 0o600), ("0640", 0o600, 0o640), ("0000", 0o644, 0o644), ("0000", None, 0o600)],
)
def test_the_mode_is_applied_on_opening(tmp_path: Path, mode: str | None, before: int | None, after: int) -> None:
    path = tmp_path / "a.log"
    if before is not None:
        path.touch()
        path.chmod(before)
    run(device(file_path=str(path), **({"mode": mode} if mode else {})), b"x\n")
    assert stat.S_IMODE(path.stat().st_mode) == after


@pytest.mark.parametrize(("mode", "folder"), [("0600", 0o700), ("0640", 0o750)])
def test_a_missing_directory_is_made_for_those_who_may_read(tmp_path: Path, mode: str, folder: int) -> None:
    run(device(file_path=str(tmp_path / "not/yet/a.log"), mode=mode), b"x\n")
    assert (tmp_path / "not/yet/a.log").read_bytes() == b"x\n"
    assert stat.S_IMODE((tmp_path / "not/yet").stat().st_mode) == folder


def test_the_older_name_of_the_option_works(tmp_path: Path) -> None:
    run(device(path=str(tmp_path / "a.log")), b"x\n")
    assert (tmp_path / "a.log").exists()


def test_lines_are_appended(tmp_path: Path) -> None:
    path = str(tmp_path / "a.log")
    run(device(file_path=path), b"one\n", b"two\n")
    run(device(file_path=path), b"three\n")
    assert Path(path).read_bytes() == b"one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("{tmp}", "open {tmp}: is a directory"),
        ("/dev/null/audit.log", "mkdir /dev/null: not a directory"),
        ("/proc/never/a.log", "mkdir /proc/never: no such file or directory"),
    ],
)
def test_what_cannot_be_opened_is_told(tmp_path: Path, path: str, reason: str) -> None:
    path, reason = path.format(tmp=tmp_path), reason.format(tmp=tmp_path)
    with pytest.raises(OSError, match="sanity check failed") as caught:
        run(device(file_path=path))
    assert caught.value.strerror == f'sanity check failed; unable to open "{path}" for writing: {reason}'


def test_discard_writes_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(device(file_path="DISCARD"), b"x\n")
    assert list(tmp_path.iterdir()) == []


def test_standard_output_takes_lines(capfd: pytest.CaptureFixture[str]) -> None:
    run(device(file_path="STDOUT"), b"one\n", b"two\n")
    assert capfd.readouterr().out == "one\ntwo\n"
    os.write(1, b"")  # closing the device has not closed standard output


def test_a_full_device_fails_and_the_next_line_is_tried_again() -> None:
    made = device(file_path="/dev/full", mode="0000")

    async def write() -> None:
        await made.open()
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                await made.write(b"x\n")
        await made.close()

    asyncio.run(write())


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk that is full at this size: the kernel then writes a part, and refuses the rest."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_line_torn_by_a_full_disk_is_ended_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    made = device(file_path=str(path))

    async def write() -> None:
        await made.open()
        await made.write(b"first\n")
        with largest_file(10):
            for _ in range(2):
                with pytest.raises(OSError, match="too large"):
                    await made.write(b"second line\n")
        await made.write(b"third\n")
        await made.write(b"fourth\n")
        await made.close()

    asyncio.run(write())
    assert path.read_bytes() == b"first\nseco\nthird\nfourth\n"


def test_a_disk_filled_between_line_and_end_costs_no_empty_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"torn")
    made = device(file_path=str(path))

    async def write() -> None:
        await made.open()
        with largest_file(5), pytest.raises(OSError, match="too large"):
            await made.write(b"second\n")
        await made.write(b"third\n")
        await made.close()

    asyncio.run(write())
    assert path.read_bytes() == b"torn\nthird\n"


def test_a_line_torn_by_a_crash_is_ended_on_opening(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b'{"time":"20')
    run(device(file_path=str(path)), b"next\n")
    assert path.read_bytes() == b'{"time":"20\nnext\n'


def test_a_rest_is_written_after_a_partial_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr("strongroom.audit.file.os.write", lambda fd, data: whole(fd, data[:3]))
    run(device(file_path=str(tmp_path / "a.log")), b"0123456789\n")
    assert (tmp_path / "a.log").read_bytes() == b"0123456789\n"


def test_a_write_of_nothing_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.audit.file.os.write", lambda fd, data: 0)
    with pytest.raises(OSError, match="put/output"):
        run(device(file_path=str(tmp_path / "a.log")), b"x\n")


def test_reopening_follows_the_name(tmp_path: Path) -> None:
    path, moved = tmp_path / "a.log", tmp_path / "a.log.1"
    made = device(file_path=str(path))

    async def write() -> None:
        await made.open()
        await made.write(b"one\n")
        path.rename(moved)
        await made.write(b"two\n")
        await made.reopen()
        await made.write(b"three\n")
        await made.close()

    asyncio.run(write())
    assert (moved.read_bytes(), path.read_bytes()) == (b"one\ntwo\n", b"three\n")


def test_the_old_file_stays_in_use_when_reopening_fails(tmp_path: Path) -> None:
    path, moved = tmp_path / "a.log", tmp_path / "a.log.1"
    made = device(file_path=str(path))

    async def write() -> None:
        await made.open()
        path.rename(moved)
        path.mkdir()
        with pytest.raises(OSError, match="is a directory"):
            await made.reopen()
        await made.write(b"one\n")
        await made.close()

    asyncio.run(write())
    assert moved.read_bytes() == b"one\n"


def test_a_deleted_file_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileDevice, "check_interval", 0.0)
    path = tmp_path / "logs" / "a.log"
    made = device(file_path=str(path))

    async def write() -> None:
        await made.open()
        await made.write(b"one\n")
        path.unlink()
        path.parent.rmdir()
        await made.write(b"two\n")
        await made.close()

    asyncio.run(write())
    assert path.read_bytes() == b"two\n"


def test_a_device_that_did_not_open_is_tried_with_each_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.mkdir()
    made = device(file_path=str(path))

    async def write() -> None:
        for attempt in (made.open(), made.write(b"lost\n")):
            with pytest.raises(OSError, match="is a directory"):
                await attempt
        path.rmdir()
        await made.write(b"one\n")
        await made.close()

    asyncio.run(write())
    assert path.read_bytes() == b"one\n"


def test_a_closed_device_takes_no_more(tmp_path: Path) -> None:
    made = device(file_path=str(tmp_path / "a.log"))

    async def write() -> None:
        await made.open()
        await made.close()
        await made.close()
        with pytest.raises(OSError, match="closed"):
            await made.write(b"x\n")

    asyncio.run(write())


def test_a_pipe_that_nobody_reads_does_not_stop_the_server(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    made = device(file_path=str(path))
    read: list[bytes] = []

    async def fill() -> None:
        for _ in range(100):
            await made.write(b"x" * 4095 + b"\n")

    async def write() -> None:
        with pytest.raises(OSError, match="no such device"):
            await made.open()
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        await made.open()
        pump = made._pump
        assert pump
        pump.deadline = 60
        await made.write(b"one\n")
        pump.deadline = 0.01
        with pytest.raises(OSError, match="not written within"):
            await fill()
        pump.deadline = 60
        # Those behind it do not wait.
        for _ in range(10):
            with pytest.raises(OSError, match="still waiting"):
                await made.write(b"refused\n")
        os.set_blocking(reader, True)
        drain = threading.Thread(target=lambda: read.extend(iter(lambda: os.read(reader, 65536), b"")))
        drain.start()
        while True:
            try:
                await made.write(b"last\n")
            except OSError:
                await asyncio.sleep(0)
            else:
                break
        await made.close()
        await asyncio.to_thread(drain.join)
        os.close(reader)

    asyncio.run(write())
    lines = b"".join(read).split(b"\n")
    assert (lines[0], lines[-2], lines[-1]) == (b"one", b"last", b"")
    assert {len(line) for line in lines[1:-2]} == {4095}
