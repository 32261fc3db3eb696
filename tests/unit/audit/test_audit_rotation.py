"""Files of audit lines that begin anew: when, under which names, and without losing a line."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.audit.file import FileDevice
from strongroom.audit.rotation import Rotation, beginning, earlier
from strongroom.errors import BadRequest

LINE = b'{"time":"2024-01-02T03:04:05.000000000Z"}' + b"x" * 58 + b"\n"


def device(place: Path, **options: str) -> FileDevice:
    return FileDevice("file/", "salt", {"file_path": str(place), **options})


def write(made: FileDevice, *lines: bytes) -> None:
    async def work() -> None:
        await made.open()
        try:
            for line in lines:
                await made.write(line)
        finally:
            await made.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"rotate_bytes": "4095"}, "rotate_bytes must be at least 4096"),
        ({"rotate_bytes": "-1"}, 'strconv.ParseInt: parsing "-1": invalid syntax'),
        ({"rotate_bytes": "10MB"}, 'strconv.ParseInt: parsing "10MB": invalid syntax'),
        ({"rotate_bytes": "9" * 5000}, "invalid syntax"),
        ({"rotate_duration": "59s"}, "rotate_duration must be at least 60 seconds"),
        ({"rotate_duration": "soon"}, 'time: invalid duration "soon"'),
        ({"rotate_duration": "-1h"}, 'time: invalid duration "-1h"'),
        ({"rotate_max_files": "some"}, 'strconv.ParseInt: parsing "some": invalid syntax'),
        ({"file_path": "stdout", "rotate_bytes": "4096"}, "stdout cannot be rotated"),
        ({"file_path": "DISCARD", "rotate_duration": "24h"}, "discard cannot be rotated"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, str], text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        FileDevice("file/", "salt", {"file_path": "f", **options})
    assert text in caught.value.errors[0]
    assert caught.value.kind == "invalid request"


@given(st.sampled_from(["rotate_bytes", "rotate_duration", "rotate_max_files"]), st.text())
def test_any_text_is_a_rule_or_refused(name: str, text: str) -> None:
    with suppress(BadRequest):
        Rotation({name: text})


def test_without_rules_a_file_only_grows(tmp_path: Path) -> None:
    place = tmp_path / "audit.log"
    write(device(place), *[LINE] * 200)
    assert place.stat().st_size == 200 * len(LINE)
    assert list(tmp_path.iterdir()) == [place]


def test_no_file_outgrows_its_limit_and_no_line_is_lost_torn_or_out_of_order(tmp_path: Path) -> None:
    place = tmp_path / "audit.log"
    lines = [f"{number:099}\n".encode() for number in range(500)]
    write(device(place, rotate_bytes="4096"), *lines)
    files = [*earlier(place), place]
    assert len(files) == 13
    assert all(file.stat().st_size <= 4096 for file in files)
    assert b"".join(file.read_bytes() for file in files) == b"".join(lines)
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    place = tmp_path / "audit.log"
    made = device(place, rotate_bytes="4096")
    lines = [f"{number:099}\n".encode() for number in range(500)]

    async def work() -> None:
        await made.open()
        await asyncio.gather(*(made.write(line) for line in lines))
        await made.close()

    asyncio.run(work())
    found = b"".join(file.read_bytes() for file in [*earlier(place), place])
    assert sorted(found.splitlines(keepends=True)) == lines


def test_a_line_longer_than_the_limit_gets_a_file_of_its_own(tmp_path: Path) -> None:
    place = tmp_path / "audit.log"
    long = b"y" * 9999 + b"\n"
    write(device(place, rotate_bytes="4096"), LINE, long, LINE)
    assert [file.read_bytes() for file in [*earlier(place), place]] == [LINE, long, LINE]


def test_what_was_there_before_counts(tmp_path: Path) -> None:
    place = tmp_path / "audit.log"
    place.write_bytes(LINE * 40)
    write(device(place, rotate_bytes="4096"), LINE)
    assert place.read_bytes() == LINE
    assert [file.read_bytes() for file in earlier(place)] == [LINE * 40]


@pytest.mark.parametrize(
    ("first", "age", "rotated"),
    [
        (LINE, 0, True),  # the line says when: long ago
        (b'{"time":"2999-01-02T03:04:05Z"}\n', 100_000, False),
        (b"<json:object><time>2024-01-02T03:04:05Z</time>\n", 0, True),
        (b"prefix without a time\n", 100_000, True),
        (b"prefix without a time\n", 10, False),
        (b'{"time":"2024-99-99T03:04:05Z"}\n', 10, False),
    ],
)
def test_age_counts_from_the_first_line_even_after_a_restart(
    tmp_path: Path, first: bytes, age: int, rotated: bool
) -> None:
    place = tmp_path / "audit.log"
    place.write_bytes(first)
    changed = time.time() - age
    os.utime(place, (changed, changed))
    write(device(place, rotate_duration="24h"), LINE)
    assert place.read_bytes() == (LINE if rotated else first + LINE)
    assert len(earlier(place)) == rotated


def test_a_file_grows_old_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "audit.log"
    made = device(place, rotate_duration="1h")
    now = time.time()

    async def work() -> None:
        await made.open()
        await made.write(b"one\n")
        monkeypatch.setattr("strongroom.audit.rotation.time.time", lambda: now + 3590)
        await made.write(b"two\n")
        monkeypatch.setattr("strongroom.audit.rotation.time.time", lambda: now + 3700)
        await made.write(b"three\n")
        await made.close()

    asyncio.run(work())
    assert [file.read_bytes() for file in [*earlier(place), place]] == [b"one\ntwo\n", b"three\n"]


def test_an_empty_file_does_not_age(tmp_path: Path) -> None:
    place = tmp_path / "audit.log"
    place.touch()
    os.utime(place, (0, 0))
    write(device(place, rotate_duration="1h"), LINE)
    assert list(tmp_path.iterdir()) == [place]


def test_as_many_stay_as_are_wanted_and_what_is_named_otherwise_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "audit.log"
    others = ["audit-1.log", "audit-x.log", "audit.log.1", "audit-1736245800000000000.txt", "b-1736245800000000000.log"]
    for name in others:
        (tmp_path / name).write_bytes(b"other")
    lines = [f"{number:099}\n".encode() for number in range(400)]
    write(device(place, rotate_bytes="4096", rotate_max_files="2"), *lines)
    assert len(earlier(place)) == 2
    found = b"".join(file.read_bytes() for file in [*earlier(place), place])
    assert found == b"".join(lines)[-len(found) :]
    assert all((tmp_path / name).read_bytes() == b"other" for name in others)


def test_where_rotating_fails_the_lines_go_on_into_the_old_file_and_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "audit.log"
    made = device(place, rotate_bytes="4096")
    tried = 0

    def refuse(self: Path, target: Path) -> Path:
        nonlocal tried
        tried += 1
        raise PermissionError(13, "Permission denied")

    async def work() -> None:
        await made.open()
        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
            patch.setattr(Path, "rename", refuse)
            for _ in range(100):
                await made.write(LINE)
        assert tried == 1
        assert "cannot rotate" in caplog.text
        made._next_rotation = 0.0
        await made.write(LINE)
        await made.close()

    asyncio.run(work())
    assert [file.read_bytes() for file in [*earlier(place), place]] == [LINE * 100, LINE]


def test_two_devices_on_one_file_rotate_it_once(tmp_path: Path) -> None:
    place = tmp_path / "audit.log"
    first, second = device(place, rotate_bytes="4096"), device(place, rotate_bytes="4096")

    async def work() -> None:
        await first.open()
        await second.open()
        for _ in range(41):
            await first.write(b"1" * 99 + b"\n")
        # The second has not seen that the file has become long; it counts what is in its own.
        for _ in range(41):
            await second.write(b"2" * 99 + b"\n")
        await first.close()
        await second.close()

    asyncio.run(work())
    found = b"".join(file.read_bytes() for file in [*earlier(place), place]).splitlines()
    assert (found.count(b"1" * 99), found.count(b"2" * 99), len(found)) == (41, 41, 82)


def test_the_beginning_of_what_cannot_be_read_is_now(tmp_path: Path) -> None:
    before = time.time()
    assert before <= beginning(str(tmp_path / "missing")) <= time.time()


@given(st.binary(max_size=200))
def test_any_first_line_has_a_beginning(content: bytes) -> None:
    read, write_end = os.pipe()
    os.write(write_end, content)
    os.close(write_end)
    try:
        assert isinstance(beginning(f"/proc/self/fd/{read}"), float)
    finally:
        os.close(read)
