"""The pages taken apart into blocks of code, links and headings; and a shell that runs the blocks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = ("api.md", "cli.md", "configuration.md", "divergences.md")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
WRITTEN = [page for page in PAGES if page.name not in GENERATED]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, language: str = "") -> list[Block]:
    """The blocks of a page, of one language or of any."""
    text = page.read_text()
    found = [Block(page, text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in _FENCE.finditer(text)]
    return [block for block in found if not language or block.language == language]


def prose(page: Path) -> str:
    """A page without its blocks."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Where a page points to."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """What can be pointed at in a page, named as forges name it."""
    headings = (re.sub(r"[^\w\- ]", "", m[1].lower()).strip() for m in _HEADING.finditer(prose(page)))
    return {heading.replace(" ", "-") for heading in headings}


def commands(page: Path) -> Iterator[tuple[Block, str]]:
    """Each `vault` or `strongroom` command in a page's shell blocks, continued lines joined, comments cut off."""
    for block in blocks(page, "sh"):
        for line in block.text.replace("\\\n", " ").split("\n"):
            for part in re.split(r" \| |\$\(|&&", line):
                found = re.match(r"(?:\S+=\S* )*((?:vault|strongroom) .*)", part.strip())
                if found:
                    yield block, re.sub(r"\s+#.*", "", found[1])


# -- Running ---------------------------------------------------------------------------------------------------------

#: Runs its arguments on a terminal of their own, so that commands that ask can ask.
_TERMINAL = "import pty, sys; raise SystemExit(pty.spawn(sys.argv[1:]) >> 8)"

#: What commands ask, and what `Shell.keys` answers it from.
PROMPTS = {b"Unseal Key (will be hidden): ": "Unseal Key", b"Token (will be hidden): ": "Initial Root Token"}
_KEYS = re.compile(rb"^(Unseal Key|Initial Root Token)(?: \d+)?: (\S+)\r?$", re.MULTILINE)


class Shell:
    """Runs blocks as a person would type them, in a folder that is their home too.

    `replace` are the places and names of the page that are others here. What `operator init` prints is remembered, and
    given where a command asks for it.
    """

    def __init__(self, folder: Path, replace: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self.folder, self.replace = folder, replace
        self.keys: dict[str, list[str]] = {}
        self._environment = {**environment, "HOME": str(folder), "TERM": "dumb"}
        # curl's own notion of success is that there was an answer.
        (folder / ".curlrc").write_text("fail\n")
        # What a block exports counts for those after it.
        self._state = folder / ".state"
        self._state.write_text("")

    def fill(self, text: str) -> str:
        """A text with its places replaced, the longest first."""
        for place in sorted(self.replace, key=len, reverse=True):
            text = text.replace(place, self.replace[place])
        return text

    def run(self, block: Block | str) -> str:
        """Run a block and return what it showed; a command that fails fails the test."""
        text = self.fill(block if isinstance(block, str) else block.text)
        file = self.folder / ".block"
        file.write_text(f"set -euo pipefail\n. ./.state\n{text}\nexport -p > .state\n")
        process = subprocess.Popen(
            [sys.executable, "-c", _TERMINAL, "bash", str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            cwd=self.folder,
        )
        shown = self._talk(process)
        assert process.wait(60) == 0, f"{block} failed:\n{shown.decode()}"
        return shown.decode().replace("\r\n", "\n")

    def _talk(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        shown, answered = b"", 0
        shares: list[str] = []
        while chunk := os.read(process.stdout.fileno(), 65536):
            shown += chunk
            asked = next((name for prompt, name in PROMPTS.items() if shown[answered:].endswith(prompt)), None)
            if asked is None:
                continue
            answered = len(shown)
            self._remember(shown)
            known = self.keys[asked]
            shares = shares or list(known)
            answer = shares.pop(0) if asked == "Unseal Key" else known[0]
            process.stdin.write(answer.encode() + b"\n")
            process.stdin.flush()
        self._remember(shown)
        process.stdin.close()
        process.stdout.close()
        return shown

    def _remember(self, shown: bytes) -> None:
        found: dict[str, list[str]] = {}
        for name, value in _KEYS.findall(shown):
            found.setdefault(name.decode(), []).append(value.decode())
        self.keys |= found
