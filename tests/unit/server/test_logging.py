from __future__ import annotations

import io
import json
import logging
import pathlib
import re
from collections.abc import Iterator

import pytest

from strongroom.errors import StorageError
from strongroom.server.logfile import LogFile
from strongroom.server.logging import Log

log = logging.getLogger("strongroom.core")


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("strongroom")
    before = (list(root.handlers), root.level, ours.level, logging.raiseExceptions)
    yield
    root.handlers[:], root.level, ours.level, logging.raiseExceptions = before
    root.setLevel(before[1])
    ours.setLevel(before[2])


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def test_lines_for_people(out: io.StringIO) -> None:
    Log("info", stream=out)
    log.info("unsealed %d times", 3)
    log.warning("careful")
    first, second = out.getvalue().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[INFO\]  core: unsealed 3 times", first)
    assert second[25:] == "[WARN]  core: careful"


def test_lines_for_programs(out: io.StringIO) -> None:
    Log("info", "json", stream=out)
    log.error("it broke", exc_info=KeyError("sesame"))
    entry = json.loads(out.getvalue())
    stamp = entry.pop("@timestamp")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", stamp)
    assert entry == {"@level": "error", "@message": "it broke", "@module": "core", "stacktrace": "  KeyError"}


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("trace", ["trace", "debug", "info", "warn", "error"]),
        ("debug", ["debug", "info", "warn", "error"]),
        ("INFO", ["info", "warn", "error"]),
        ("warn", ["warn", "error"]),
        ("err", ["error"]),
    ],
)
def test_levels(level: str, seen: list[str], out: io.StringIO) -> None:
    Log("info", "json", stream=out).set_level(level)
    for number in (5, 10, 20, 30, 40):
        log.log(number, "x")
    assert [json.loads(line)["@level"] for line in out.getvalue().splitlines()] == seen


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(KeyError):
        Log("loud")


@pytest.mark.parametrize("style", ["standard", "json"])
def test_the_text_of_a_foreign_exception_is_not_written(style: str, out: io.StringIO) -> None:
    Log("info", style, stream=out)
    try:
        try:
            raise ValueError("sesame")
        except ValueError as e:
            raise StorageError("the disk failed") from e
    except StorageError:
        log.exception("request failed")
    text = out.getvalue()
    assert "sesame" not in text
    assert "ValueError" in text
    assert "StorageError: the disk failed" in text
    assert "test_logging.py:" in text


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\x1b[2Jb", "a\u2028b"])
def test_an_event_is_one_line(text: str, out: io.StringIO) -> None:
    Log("info", stream=out)
    log.info("%s", text)
    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b" not in out.getvalue()


def test_setting_up_twice_logs_once(out: io.StringIO) -> None:
    Log("info", stream=io.StringIO())
    Log("info", stream=out)
    log.info("x")
    assert len(out.getvalue().splitlines()) == 1


def test_a_closed_stream_is_no_reason_to_fail(out: io.StringIO) -> None:
    Log("info", stream=out)
    out.close()
    log.info("x")


def test_a_file_takes_the_lines_too_and_is_reopened(tmp_path: pathlib.Path, out: io.StringIO) -> None:
    file = tmp_path / "server.log"
    logs = Log("info", stream=out)
    logs.add_file(str(file))
    log.info("one")
    file.rename(tmp_path / "moved.log")
    log.info("two")
    logs.reopen()
    log.info("three")
    logs.close()
    log.info("four")
    assert [line[33:] for line in (tmp_path / "moved.log").read_text().splitlines()] == ["core: one", "core: two"]
    assert file.read_text().endswith("core: three\n")
    assert file.stat().st_mode & 0o777 == 0o600


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("strongroom.x", logging.INFO, "", 0, text, None, None)


@pytest.mark.parametrize(("keep", "left"), [(0, 3), (2, 2), (-1, 0)])
def test_a_long_file_begins_anew(keep: int, left: int, tmp_path: pathlib.Path) -> None:
    handler = LogFile(f"{tmp_path}/", max_bytes=10, keep=keep)
    for text in ("aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd"):
        handler.emit(record(text))
    handler.close()
    assert (tmp_path / "strongroom.log").read_text() == "dddddddd\n"
    earlier = sorted(p.read_text() for p in tmp_path.glob("strongroom-*.log"))
    assert earlier == ["aaaaaaaa\n", "bbbbbbbb\n", "cccccccc\n"][3 - left :]


def test_an_old_file_begins_anew(tmp_path: pathlib.Path) -> None:
    handler = LogFile(str(tmp_path / "a.log"), max_age=1e-9)
    for text in ("one", "two"):
        handler.emit(record(text))
    handler.close()
    assert len(list(tmp_path.glob("a-*.log"))) >= 1
    assert (tmp_path / "a.log").read_text() == "two\n"
