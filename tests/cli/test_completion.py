"""Completion in the shells themselves: what is typed, a Tab, and what then stands on the line."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import shutil
import signal
import socket
import sys
import termios
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.dev_server import running_server

#: How each shell is started on a terminal: its words, its start-up file, and what that says. Ctrl-X prints the line.
SHELLS = {
    "bash": (
        ["--noprofile", "--rcfile", "rc", "-i"],
        "rc",
        """
            PS1= PS2=
            bind 'set enable-bracketed-paste off'
            bind 'set bell-style none'
            bind 'set completion-query-items 0'
            bind 'set page-completions off'
            bind 'set show-all-if-ambiguous on'
            bind -x '"\\C-x": printf "<<%s>>" "$READLINE_LINE"'
            eval "$(strongroom completion bash)"
            printf '<<ready>>'
        """,
    ),
    "zsh": (
        ["-i"],
        ".zshrc",
        """
            PS1= PS2= RPS1=
            setopt no_beep no_prompt_sp no_global_rcs
            unset zle_bracketed_paste
            show() { printf '<<%s>>' "$BUFFER" }
            zle -N show
            eval "$(strongroom completion zsh)"
            bindkey '^X' show
            printf '<<ready>>'
        """,
    ),
    "fish": (
        ["-i"],
        ".config/fish/config.fish",
        """
            function fish_prompt; end
            function fish_greeting; end
            bind \\cx 'printf "<<%s>>" (commandline)'
            strongroom completion fish | source
            printf '<<ready>>'
        """,
    ),
}
NAMES = ("app", "my key", "it's", "$(touch oops)", "a:b=c", "münze", "team/one", "team/two", "lone/only")


class Shell:
    """A shell on a terminal of its own."""

    def __init__(self, terminal: int) -> None:
        self._terminal, self.shown = terminal, ""

    def read(self) -> str:
        """What it says between `<<` and `>>`; what it showed before that is `shown`."""
        self.shown = ""
        while ">>" not in self.shown:
            ready, _, _ = select.select([self._terminal], [], [], 60)
            assert ready, f"the shell is silent after {self.shown!r}"
            self.shown += os.read(self._terminal, 1 << 16).decode(errors="replace")
        return self.shown.partition("<<")[2].partition(">>")[0]

    def tab(self, line: str) -> str:
        """Type a line and a Tab; returns what then stands there."""
        os.write(self._terminal, b"\x05\x15" + line.encode() + b"\t")
        os.write(self._terminal, b"\x18")
        return self.read()


@contextmanager
def started(name: str, home: Path, address: str) -> Iterator[Shell]:
    program = shutil.which(name)
    if program is None:
        assert os.environ.get("CI") != "true", f"{name} is not installed; .ci/services does that"
        pytest.skip(f"{name} is not installed")
    words, file, script = SHELLS[name]
    (home / file).parent.mkdir(parents=True, exist_ok=True)
    (home / file).write_text(script)
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        "VAULT_ADDR": address,
        "VAULT_TOKEN": "root",
        "skip_global_compinit": "1",
    }
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(home)
        termios.tcsetwinsize(0, (50, 250))
        os.execve(program, [name, *words], env)
    try:
        shell = Shell(terminal)
        assert shell.read() == "ready"
        yield shell
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("server")
    with running_server("dev", home, {"PATH": os.environ["PATH"], "HOME": str(home)}) as url:
        for name in NAMES:
            quoted = urllib.request.quote(name)  # type: ignore[attr-defined]
            request = urllib.request.Request(
                f"{url}/v1/secret/data/{quoted}",
                json.dumps({"data": {"k": "v"}}).encode(),
                {"X-Vault-Token": "root"},
                method="POST",
            )
            urllib.request.urlopen(request, timeout=60).close()
        yield url


@pytest.fixture(scope="module", params=list(SHELLS))
def shell(request: pytest.FixtureRequest, address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("home")
    (home / "policy one.hcl").touch()
    (home / "folder" / "inner").mkdir(parents=True)
    with started(request.param, home, address) as running:
        yield running


@pytest.mark.parametrize(
    ("line", "words", "goes_on"),
    [
        ("vault stat", ["vault", "status"], False),
        ("vault operator raft snapshot sa", ["vault", "operator", "raft", "snapshot", "save"], False),
        ("vault status -output-c", ["vault", "status", "-output-curl-string"], False),
        ("vault status -forma", ["vault", "status", "-format="], True),
        ("vault status -format=j", ["vault", "status", "-format=json"], False),
        ("vault kv get secret/ap", ["vault", "kv", "get", "secret/app"], False),
        ("vault kv get secret/lo", ["vault", "kv", "get", "secret/lone/"], True),
        ("vault secrets disable cub", ["vault", "secrets", "disable", "cubbyhole/"], True),
        ("vault token create -policy=def", ["vault", "token", "create", "-policy=default"], False),
        # Names that a shell would take for more than a name.
        ("vault kv get secret/my", ["vault", "kv", "get", "secret/my key"], False),
        ("vault kv get secret/my\\ k", ["vault", "kv", "get", "secret/my key"], False),
        ("vault kv get 'secret/my", ["vault", "kv", "get", "secret/my key"], False),
        ('vault kv get "secret/my k', ["vault", "kv", "get", "secret/my key"], False),
        ("vault kv get secret/it", ["vault", "kv", "get", "secret/it's"], False),
        ("vault kv get secret/\\$", ["vault", "kv", "get", "secret/$(touch oops)"], False),
        ("vault kv get secret/a:", ["vault", "kv", "get", "secret/a:b=c"], False),
        ("vault kv get secret/a:b=", ["vault", "kv", "get", "secret/a:b=c"], False),
        ("vault kv get secret/mü", ["vault", "kv", "get", "secret/münze"], False),
        # Files.
        ("vault policy write p pol", ["vault", "policy", "write", "p", "policy one.hcl"], False),
        ("vault kv put secret/x k=@fol", ["vault", "kv", "put", "secret/x", "k=@folder/"], True),
        ("vault server -config=folder/", ["vault", "server", "-config=folder/inner/"], True),
        # Beside other words.
        ("ls; X=1 strongroom stat", ["ls;", "X=1", "strongroom", "status"], False),
    ],
)
def test_a_tab_completes(shell: Shell, line: str, words: list[str], goes_on: bool) -> None:
    after = shell.tab(line)
    assert shlex.split(after) == words
    # The cursor stays behind what may go on; after a whole word it is one further.
    assert after.endswith(" ") is not goes_on


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("vault kv metadata ", ["delete", "get", "patch", "put"]),
        ("vault kv list secret/team/", ["secret/team/one", "secret/team/two"]),
        ("vault kv list -format=", ["json", "table", "yaml"]),
    ],
)
def test_several_are_shown(shell: Shell, line: str, shown: list[str]) -> None:
    shell.tab(line)
    for word in shown:
        # Fish leaves out what all of them begin with.
        assert word in shell.shown or f"…{word[-4:]}" in shell.shown or word.rpartition("/")[2] in shell.shown


@pytest.mark.parametrize("line", ["vault kv get nothing/", "vault kv get secret/app no"])
def test_what_is_not_there_stays_as_it_is(shell: Shell, line: str) -> None:
    assert shell.tab(line).strip() == line.strip()
    assert "Traceback" not in shell.shown


@pytest.mark.parametrize("name", list(SHELLS))
def test_a_server_that_is_silent_holds_nothing_up(name: str, tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        started(name, tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}") as shell,
    ):
        assert shell.tab("vault kv get sec").strip() == "vault kv get sec"
        assert "Traceback" not in shell.shown
        # What needs no server is there all the same.
        assert shell.tab("vault stat") == "vault status "
