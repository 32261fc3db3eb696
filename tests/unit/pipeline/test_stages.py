"""The order of the stages, and what each keeps to."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom import pipeline

HERE = Path(pipeline.__file__).parent
ORDER = [
    "quota",
    "find_mount",
    "authenticate",
    "decide",
    "audit_request",
    "enforce",
    "pace",
    "dispatch",
    "register",
    "wrap",
    "commit",
]


def test_the_order_of_the_stages() -> None:
    """Whoever changes it changes who is asked, recorded and refused when: say why here.

    A use is spent and the request judged before it is recorded, recorded before it is refused, refused before any
    handler runs, and nobody hears of anything before it is durable and on record.
    """
    assert [stage.__name__ for stage in pipeline.STAGES] == ORDER


@pytest.mark.parametrize("stage", [*ORDER, "seal_gate", "audit_response", "last_use", "failure"])
def test_a_stage_is_a_short_file_of_its_own(stage: str) -> None:
    text = (HERE / f"{stage}.py").read_text()
    assert len(text.splitlines()) <= 80
    assert text.startswith('"""')


def test_no_stage_names_an_endpoint() -> None:
    for file in HERE.glob("*.py"):
        for word in ('"sys/', '"auth/', "'sys/", "'auth/"):
            assert word not in file.read_text(), (file.name, word)
