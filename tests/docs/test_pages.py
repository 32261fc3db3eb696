"""The pages say what is so: their links lead somewhere, their settings, commands and error texts exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from strongroom import config
from strongroom.cli import flags
from strongroom.cli.catalog import find
from strongroom.cli.command import Group
from strongroom.config import SECTIONS
from tests.docs import generate
from tests.docs.pages import GENERATED, PAGES, ROOT, WRITTEN, Block, anchors, blocks, commands, links, prose

README = ROOT / "README.md"
OPERATIONS = ROOT / "docs" / "operations.md"
SOURCE = {file: file.read_text() for file in (ROOT / "src" / "strongroom").rglob("*.py")}


def names(pages: list[Path]) -> list[str]:
    return [page.name for page in pages]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == generate.PAGES[name](), "run: make docs"


def test_every_page_is_reachable_from_the_readme() -> None:
    seen, waiting = {README}, [README]
    while waiting:
        page = waiting.pop()
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in seen:
                seen.add(target)
                waiting.append(target)
    assert seen == {page.resolve() for page in PAGES}


def test_the_readme_begins_with_what_can_be_run_and_stays_short() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) < 150
    assert lines[0] == "# Strongroom"
    assert lines[2:4] == ["```sh", next(line for line in lines if line.startswith("make run"))]


def test_make_run_starts_a_durable_server() -> None:
    done = subprocess.run(["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "strongroom server -dev -dev-storage=./data" in done.stdout


def configurations() -> list[Block]:
    return [block for page in PAGES for block in blocks(page, "hcl")]


@pytest.mark.parametrize("block", configurations(), ids=str)
def test_settings_in_the_pages_are_known(block: Block, tmp_path: Path) -> None:
    text = block.text
    if text.startswith("tls_"):  # what is shown is the inside of a listener
        text = f'listener "tcp" {{\n tls_cert_file = "a"\n tls_key_file = "b"\n{text}}}\n'
    file = tmp_path / "config.hcl"
    file.write_text(text)
    _, warnings = config.load([file], environ={}, complete=False)
    assert not warnings


#: Words in backticks that look like settings and are something else: fields of answers, options, names of blocks.
OTHER_WORDS = {
    *("lease_duration", "log_raw", "identity_policies", "user_lockout", "lockout_disable"),
    *("created_by", "last_read_by", "last_read_time"),
}


@pytest.mark.parametrize("page", WRITTEN, ids=names(WRITTEN))
def test_names_in_the_text_exist(page: Path) -> None:
    known = {row.name for section in SECTIONS.values() for row in section}
    known |= {name for _, engine in generate.engines() for r in engine.routes if r.args for name in r.args.fields}
    if page.name in ("design.md", "CHANGELOG.md"):
        return  # they name what is planned, or was
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)(?: = [^`]+)?`", prose(page)))
    assert named <= known | OTHER_WORDS


COMMANDS = [(str(block), command) for page in PAGES for block, command in commands(page)]


@pytest.mark.parametrize(("place", "command"), COMMANDS, ids=[f"{place}-{command}" for place, command in COMMANDS])
def test_commands_in_the_pages_exist(place: str, command: str) -> None:
    words = shlex.split(command.partition("<<")[0].partition(" >")[0])[1:]
    if words in (["-version"], ["version"]):
        return
    path, found, rest = find(words)
    assert found is not None, words
    assert not isinstance(found, Group), path
    flags.parse(found.all_flags(), rest)


def setting_is_read(name: str) -> bool:
    pattern = re.compile(rf"\.{name}\b|\"{name}\"")
    declared = ("config/schema.py", "config/backends.py", "config/checks.py", "config/sanitize.py")
    return any(
        pattern.search(text)
        for file, text in SOURCE.items()
        if "cli" not in file.parts and not str(file).endswith(declared)
    )


def test_settings_that_nothing_acts_on_are_marked() -> None:
    rows = [(name, row) for name in ("", 'listener "unix"', "telemetry", "user_lockout") for row in SECTIONS[name]]
    idle = {row.name for _, row in rows if not row.inert and not setting_is_read(row.name)}
    # Read through `ServerConfig.cache_bytes` and `ServerConfig.request_duration`.
    idle -= {"disable_cache", "cache_memory", "cache_size", "default_max_request_duration"}
    idle -= {"tls_disable_client_certs", "disable_hostname"}  # what they ask for is so anyway
    assert idle == {row.name for name, row in rows if generate.not_yet(name, row)}, "correct `pending` in config/"


def troubles() -> list[str]:
    table = OPERATIONS.read_text().partition("## When something is wrong")[2]
    cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")]
    return [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("text", troubles())
def test_messages_in_the_table_of_troubles_are_said(text: str) -> None:
    for part in text.split("..."):
        assert any(part.strip() in source for source in SOURCE.values()), part


def test_generated_pages_say_so() -> None:
    for name in GENERATED:
        assert "made" in (ROOT / "docs" / name).read_text()[:400].lower()
