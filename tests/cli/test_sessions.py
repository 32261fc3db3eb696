"""Sessions at a terminal, as plain text: each command of `sessions/*.txt` must print what stands below it.

A session starts with `server: dev` or `server: plain` (not initialized). Lines that begin with "$ " are run by bash,
with `vault` and `strongroom` on the path, in an empty HOME; further lines of a command begin with "> ". Below stands
what it prints (stdout and stderr), where `...` is anything within a line and a line `...` is any lines. `[2]` at the
end is the exit code where it is not 0. Lines that begin with "#" are remarks.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.support.dev_server import running_server

SESSIONS = Path(__file__).parent / "sessions"


class Step(NamedTuple):
    line: int
    command: str
    expected: list[str]
    code: int


def read_session(text: str) -> tuple[str, list[Step]]:
    """The kind of server, and the steps."""
    server, steps = "", list[Step]()
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("server: "):
            server = line.removeprefix("server: ")
        elif line.startswith("$ "):
            steps.append(Step(number, line[2:], [], 0))
        elif line.startswith("> "):
            steps[-1] = steps[-1]._replace(command=f"{steps[-1].command}\n{line[2:]}")
        elif code := re.fullmatch(r"\[(\d+)\]", line):
            steps[-1] = steps[-1]._replace(code=int(code[1]))
        elif steps and not line.startswith("#"):
            steps[-1].expected.append(line)
    return server, steps


def pattern(expected: list[str]) -> str:
    lines = list(expected)
    while lines and not lines[-1]:  # blank lines between steps are for the reader
        lines.pop()
    parts = []
    for line in lines:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            # Columns are as wide as their longest value, which may change from run to run.
            words = [".*?".join(map(re.escape, word.split("..."))) for word in re.split(r"(?<=\S) {2,}(?=\S)", line)]
            parts.append(r" {2,}".join(words) + r"\n")
    return "".join(parts) + r"\n*"


@pytest.mark.parametrize("path", sorted(SESSIONS.glob("*.txt")), ids=lambda path: path.stem)
def test_session(path: Path, tmp_path: Path) -> None:
    kind, steps = read_session(path.read_text())
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
    }
    with running_server(kind, tmp_path, env) as address:
        env["VAULT_ADDR"] = address
        kept = tmp_path / "variables"
        kept.touch()
        for step in steps:
            # What a command exports is there for the next, as at a prompt.
            script = f". {kept}\n{step.command}\ncode=$?\nexport -p > {kept}\nexit $code"
            done = subprocess.run(
                ["bash", "-c", script],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                env=env,
                cwd=tmp_path,
                check=False,
                timeout=60,
            )
            where = f"{path.name}:{step.line}: {step.command}"
            assert done.returncode == step.code, f"{where}\nexit code {done.returncode}\n{done.stdout}"
            shown = done.stdout if not done.stdout or done.stdout.endswith("\n") else done.stdout + "\n"
            assert re.fullmatch(pattern(step.expected), shown), f"{where}\nprinted:\n{shown}"
