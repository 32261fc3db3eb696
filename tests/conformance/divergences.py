"""Write docs/divergences.md from divergences.json: `python tests/conformance/divergences.py`."""

from __future__ import annotations

import json
import pathlib

HERE = pathlib.Path(__file__).parent
HEAD = """# Where Strongroom differs on purpose

Strongroom answers as HashiCorp Vault 1.15 does. This page lists every recorded answer where it does not, and why. It is
made from `tests/conformance/divergences.json` by `python tests/conformance/divergences.py`; a test fails when a
difference has no reason here, or a reason no difference.

What was never recorded is told where it belongs: [cert.md](cert.md#what-differs-from-vault).

"""


def render() -> str:
    """The page."""
    by_reason: dict[str, list[str]] = {}
    for row in json.loads((HERE / "divergences.json").read_text()):
        by_reason.setdefault(row["reason"], []).append(f"`{row['scenario']}` step {row['step']}")
    if not by_reason:
        return HEAD + "There is none at present.\n"
    parts = [f"- {reason}\n\n  Seen in {', '.join(places)}.\n" for reason, places in by_reason.items()]
    return HEAD + "\n".join(parts)


if __name__ == "__main__":
    (HERE.parents[1] / "docs" / "divergences.md").write_text(render())
