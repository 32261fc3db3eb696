"""The recorded answers of two living servers, played against ours.

`areas.json` lists what must pass. `divergences.json` lists the steps where we differ on purpose, each with its reason:
a difference without a reason fails, and so does a reason without a difference.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import pathlib
import sys
import types
from typing import Any

import pytest

HERE = pathlib.Path(__file__).parent
PLAN = json.loads((HERE / "areas.json").read_text())
DIVERGENCES = json.loads((HERE / "divergences.json").read_text())
STRONGROOM = str(pathlib.Path(sys.executable).with_name("strongroom"))


def load_checker() -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader("conform", str(HERE / "conform"))
    spec = importlib.util.spec_from_loader("conform", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def scenarios() -> dict[str, dict[str, Any]]:
    """What has to pass, by `area/scenario`."""
    found = {}
    for file in sorted((HERE / "recordings").glob("*.json")):
        if not file.name.startswith(tuple(PLAN["areas"])):
            continue
        for recording in json.loads(file.read_text()):
            if not set(PLAN["missing"]) & set(recording.get("uses", [])):
                found[f"{recording['area']}/{recording['scenario']}"] = recording
    return found


conform = load_checker()


class TokenReview(conform.TokenReview):  # type: ignore[name-defined,misc]
    """The checker's Kubernetes, which leaves its socket to the end of the process: here many are played in one."""

    def close(self) -> None:
        super().close()
        self.httpd.server_close()


conform.FIXTURES["tokenreview"] = TokenReview
SCENARIOS = scenarios()


@pytest.mark.parametrize("name", SCENARIOS)
def test_answers_as_recorded(name: str) -> None:
    recording = SCENARIOS[name]
    wanted = {d["step"]: d["reason"] for d in DIVERGENCES if d["scenario"] == name}
    results, saved = conform.play(recording, [STRONGROOM])
    differences = {}
    for number, (step, result) in enumerate(zip(recording["steps"], results, strict=True)):
        hard = [text for is_hard, text in conform.judge(step, result, saved) if is_hard] if step.get("expect") else []
        if hard:
            differences[number] = hard
    unexplained = {n: texts for n, texts in differences.items() if n not in wanted}
    assert not unexplained, json.dumps(unexplained, indent=1)
    assert not set(wanted) - set(differences), "listed as a divergence, but it does not differ"


def test_every_divergence_names_a_scenario_and_a_reason() -> None:
    for divergence in DIVERGENCES:
        assert divergence["scenario"] in SCENARIOS, divergence
        assert 0 <= divergence["step"] < len(SCENARIOS[divergence["scenario"]]["steps"])
        assert len(divergence["reason"]) > 20


def test_the_divergences_document_is_current() -> None:
    document = HERE.parents[1] / "docs" / "divergences.md"
    sys.path.insert(0, str(HERE))
    try:
        from divergences import render
    finally:
        sys.path.remove(str(HERE))
    assert document.read_text() == render(), "run: python tests/conformance/divergences.py"
