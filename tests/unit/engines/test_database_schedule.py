from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.engines.database import cron, schedule
from strongroom.errors import BadRequest

HOUR = 3600


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("text", "after", "time"),
    [
        ("* * * * *", "2026-01-01T00:00:30", "2026-01-01T00:01:00"),
        ("0 * * * *", "2026-01-01T00:00:00", "2026-01-01T01:00:00"),
        ("*/15 * * * *", "2026-01-01T00:16:00", "2026-01-01T00:30:00"),
        ("5-10/5 3,4 * * *", "2026-01-01T03:05:00", "2026-01-01T03:10:00"),
        ("0 0 1 jan ?", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 * * SAT", "2026-01-01T00:00:00", "2026-01-03T00:00:00"),
        ("0 0 * * 7", "2026-01-01T00:00:00", "2026-01-04T00:00:00"),
        ("0 0 13 * fri", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),
        ("@daily", "2026-01-01T05:00:00", "2026-01-02T00:00:00"),
        ("@Monthly", "2026-01-01T05:00:00", "2026-02-01T00:00:00"),
    ],
)
def test_the_next_time_of_a_schedule(text: str, after: str, time: str) -> None:
    assert cron.parse(text).after(ns(after)) == ns(time)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "x * * * *",
        "*/0 * * * *",
        "5-3 * * * *",
        "0 0 31 2 *",
        "0 0 30 feb *",
        "1,,2 * * * *",
        "- * * * *",
        "@never",
    ],
)
def test_what_is_no_schedule_or_never_comes_is_refused(text: str) -> None:
    with pytest.raises(cron.CronError):
        cron.parse(text)


@given(st.text(alphabet=st.sampled_from("0123456789*/-,? janmofri@"), max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = cron.parse(text)
    except cron.CronError:
        return
    assert found.after(ns("2026-01-01T00:00:00")) > ns("2026-01-01T00:00:00")


def rotated(**fields: Any) -> Any:
    defaults = {"rotation_period": 0, "rotation_schedule": "", "rotation_window": 0, "last_rotation_ns": 0}
    return SimpleNamespace(**{**defaults, **fields})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"rotation_period": 60, "rotation_schedule": "* * * * *"}, "mutually exclusive"),
        ({"rotation_schedule": "never"}, "could not parse rotation_schedule"),
        ({"rotation_schedule": "* * * * *", "rotation_window": 60}, "rotation_window must be 3600 seconds or more"),
        ({"rotation_period": 60, "rotation_window": HOUR}, "rotation_window is invalid with use of rotation_period"),
        ({"rotation_period": 4}, "rotation_period must be 5 seconds or more"),
    ],
)
def test_schedules_that_make_no_sense(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadRequest, match=problem):
        schedule.check(rotated(**fields))


@pytest.mark.parametrize(
    ("fields", "now", "due"),
    [
        ({}, "2026-01-01T00:00:00", ""),
        ({"rotation_period": HOUR}, "2026-01-01T09:00:00", "2026-01-01T01:00:00"),
        ({"rotation_schedule": "0 3 * * *"}, "2026-01-01T02:00:00", "2026-01-01T03:00:00"),
        ({"rotation_schedule": "0 3 * * *"}, "2026-01-02T02:00:00", "2026-01-01T03:00:00"),
        ({"rotation_schedule": "0 3 * * *", "rotation_window": HOUR}, "2026-01-01T03:59:00", "2026-01-01T03:00:00"),
        ({"rotation_schedule": "0 3 * * *", "rotation_window": HOUR}, "2026-01-01T04:30:00", "2026-01-02T03:00:00"),
    ],
)
def test_when_a_rotation_is_due(fields: dict[str, Any], now: str, due: str) -> None:
    what = rotated(last_rotation_ns=ns("2026-01-01T00:00:00"), **fields)
    assert schedule.due_ns(what, ns(now)) == (ns(due) if due else 0)
