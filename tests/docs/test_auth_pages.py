"""The commands of the pages about auth methods and identity, typed against a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.docs.test_commands import dev, shell, started

#: What running each page shows on the way.
PAGES = {
    "approle.md": ["sk-proj-1", "wrapping_token:", "secret_id_num_uses    1\n"],
    "userpass.md": ["token_meta_username", "by_namespace"],
    "identity.md": ["token_policies", "merged_entity_ids", '"id_token":'],
}


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page(page: str, tmp_path: Path) -> None:
    server = dev(tmp_path)
    with started(server):
        console = shell(server)
        shown = "".join(console.run(block) for block in blocks(ROOT / "docs" / page, "sh"))
    assert "Error" not in shown
    assert all(text in shown for text in PAGES[page]), shown
