"""The process itself: what it imports, how it ends, how it asks."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.unit.cli.cli_fakes import FakeServer

#: Loads main as the console script does, runs it, and tells which modules that took.
PROBE = """
import sys
before = set(sys.modules)
sys.argv[:] = sys.argv[1:]
from strongroom.cli.main import main
code = main()
sys.stdout.flush()
print("\\n" + " ".join(sorted(set(sys.modules) - before)), file=sys.stderr)
sys.exit(code)
"""
VERSION = {
    "strongroom",
    "strongroom.cli",
    "strongroom.cli.about",
    "strongroom.cli.catalog",
    "strongroom.cli.command",
    "strongroom.cli.flags",
    "strongroom.cli.main",
    "strongroom.cli.run",
    "strongroom.cli.ui",
    "strongroom.client",
    "strongroom.client.durations",
    "strongroom.client.errors",
    "strongroom.client.settings",
    "strongroom.client.token_helper",
    "strongroom.errors",
}
KV_GET = (VERSION - {"strongroom.cli.about"}) | {
    "strongroom.cli.basic",
    "strongroom.cli.data",
    "strongroom.cli.kv",
    "strongroom.cli.kv_extras",
    "strongroom.cli.kv_metadata",
    "strongroom.cli.kv_paths",
    "strongroom.cli.output",
    "strongroom.client.address",
    "strongroom.client.client",
    "strongroom.client.jsontext",
    "strongroom.client.proxies",
    "strongroom.client.secret",
    "strongroom.client.transport",
}
#: Standard modules that cost more than they are worth here.
COSTLY = {"asyncio", "dataclasses", "inspect", "logging", "subprocess", "tempfile", "textwrap", "unittest", "uuid"}


def run(words: list[str], home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    full = {"PATH": os.environ["PATH"], "HOME": str(home), "VAULT_TOKEN": "root", **env}
    return subprocess.run(
        [sys.executable, "-c", PROBE, "vault", *words],
        capture_output=True,
        text=True,
        env=full,
        check=False,
        timeout=60,
    )


def modules(done: subprocess.CompletedProcess[str]) -> set[str]:
    return set(done.stderr.splitlines()[-1].split())


def check(found: set[str], own: set[str]) -> None:
    assert {name for name in found if name.partition(".")[0] == "strongroom"} == own
    assert {name.partition(".")[0] for name in found} - sys.stdlib_module_names == {"strongroom"}
    assert not found & COSTLY


def test_version_imports_next_to_nothing(tmp_path: Path) -> None:
    done = run(["version"], tmp_path)
    assert done.stdout.startswith("Vault v1.15.6 (Strongroom ")
    check(modules(done), VERSION)
    assert not modules(done) & {"http", "http.client", "ssl", "json", "socket"}


def test_kv_get_imports_only_what_it_needs(server: FakeServer, tmp_path: Path) -> None:
    server.kv("secret", "2", "secret/a")
    server.answers["GET /v1/secret/data/a"] = (200, {"data": {"data": {"k": "v"}, "metadata": {"version": 1}}})
    done = run(["kv", "get", "-field=k", "secret/a"], tmp_path, VAULT_ADDR=server.address)
    assert (done.returncode, done.stdout) == (0, "v")
    check(modules(done), KV_GET)


#: Loads main, runs it, and tells the most memory that the process has held, in bytes.
PEAK = """
import sys
sys.argv[:] = sys.argv[1:]
from strongroom.cli.main import main
code = main()
with open("/proc/self/status") as file:
    peak = next(line.split()[1] for line in file if line.startswith("VmHWM:"))
print(int(peak) * 1024, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a process cannot tell its memory here")
@pytest.mark.parametrize("format_name", ["table", "json", "yaml"])
def test_a_very_long_list_is_held_little_more_than_once(server: FakeServer, tmp_path: Path, format_name: str) -> None:
    def peak(count: int) -> int:
        answer = json.dumps({"data": {"keys": [f"key-{n:06}" for n in range(count)]}}).encode()
        server.answers["GET /v1/a?list=true"] = (200, answer)
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "VAULT_ADDR": server.address, "VAULT_TOKEN": "t"}
        words = [sys.executable, "-c", PEAK, "vault", "list", f"-format={format_name}", "a"]
        done = subprocess.run(words, capture_output=True, text=True, env=env, check=True, timeout=60)
        assert done.stdout.count("key-") == count
        return int(done.stderr)

    # The answer with its names takes 14 bytes for each, the names themselves 60 beside it.
    assert peak(100_000) - peak(1) < 100_000 * 130


def test_a_reader_that_stops_reading_is_no_error(server: FakeServer, tmp_path: Path) -> None:
    server.answers["GET /v1/a?list=true"] = (200, {"data": {"keys": [f"key-{n}" for n in range(100_000)]}})
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "VAULT_ADDR": server.address, "VAULT_TOKEN": "t"}
    script = f"{sys.executable} -m strongroom.cli.main list a | head -n 3"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=env, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("Keys\n----\nkey-0\n", "")


FULL = Path("/dev/full")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("version >&-", 0, ""),
        ("version 2>&-", 0, "Vault v1.15"),
        ("write a - <&-", 1, 'Failed to parse K=V data: invalid key/value pair "-": EOF\n'),
        ("read none 2>&-", 2, ""),
        pytest.param(
            *("version >/dev/full", 1, "Error writing the output: no space left on device\n"),
            marks=pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full"),
        ),
        pytest.param(
            *("list a >/dev/full", 1, "Error writing the output: no space left on device\n"),
            marks=pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full"),
        ),
        pytest.param(
            *("read none 2>/dev/full", 2, ""),
            marks=pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full"),
        ),
    ],
)
def test_streams_that_are_closed_or_full(server: FakeServer, tmp_path: Path, words: str, code: int, said: str) -> None:
    server.answers["GET /v1/a?list=true"] = (200, {"data": {"keys": [f"key-{n}" for n in range(10_000)]}})
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "VAULT_ADDR": server.address, "VAULT_TOKEN": "t"}
    script = f"exec {sys.executable} -m strongroom.cli.main {words}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=env, check=False, timeout=60)
    assert done.returncode == code
    assert (done.stdout + done.stderr).startswith(said)
    assert said or not done.stdout + done.stderr


def test_an_interrupt_is_exit_code_130_without_a_word(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "VAULT_TOKEN": "t"}
    # Waits for stdin, having said so by reading it: the interrupt cannot come too early.
    script = "import os, signal\nfrom strongroom.cli import ui\n"
    script += "ui.UI.read_stdin = lambda self: os.kill(os.getpid(), signal.SIGINT) or ''\n"
    script += (
        "import sys\nsys.argv = ['vault', 'write', 'a', '-']\nfrom strongroom.cli.main import main\nsys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=env, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
    assert signal.getsignal(signal.SIGINT)


def test_an_interrupt_while_a_server_is_silent_is_exit_code_130(server: FakeServer, tmp_path: Path) -> None:
    asked, release = threading.Event(), threading.Event()

    def silent(_: str) -> tuple[int, None]:
        asked.set()
        release.wait(60)
        return 204, None

    server.find = silent  # type: ignore[method-assign]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "VAULT_ADDR": server.address, "VAULT_TOKEN": "t"}
    command = [sys.executable, "-m", "strongroom.cli.main", "read", "a"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as process:
        assert asked.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        release.set()
    assert (process.returncode, out, err) == (130, b"", b"")


def test_an_unforeseen_error_is_one_line_without_its_text(tmp_path: Path) -> None:
    script = "import sys\nfrom strongroom.cli import main, about\n"
    script += "def boom(run): raise RuntimeError('hvs.secret')\n"
    script += "about.COMMANDS = (about.COMMANDS[0]._replace(run=boom),)\n"
    script += "sys.argv = ['vault', 'version']\nsys.exit(main.main())"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Internal error: RuntimeError.")
    assert "secret" not in done.stderr


def talk(words: list[str], answer: bytes, env: dict[str, str]) -> tuple[int, bytes]:
    """Run on a terminal, wait for the prompt, answer it; returns the exit code and what the terminal showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-m", "strongroom.cli.main", *words], env)
    shown = b""
    answered = False
    try:
        while True:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            shown += chunk
            if not answered and b"(will be hidden): " in shown:
                os.write(terminal, answer)
                answered = True
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown


class TestPrompts:
    @pytest.fixture
    def env(self, server: FakeServer, tmp_path: Path) -> dict[str, str]:
        data = {"id": "hvs.hush", "policies": ["default"], "ttl": 60}
        server.answers["GET /v1/auth/token/lookup-self"] = (200, {"data": data})
        return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "VAULT_ADDR": server.address, "TERM": "dumb"}

    def test_a_token_is_asked_for_without_echo(self, env: dict[str, str], tmp_path: Path) -> None:
        code, shown = talk(["login", "-no-print"], b"hvs.hush\n", env)
        assert (code, (tmp_path / ".vault-token").read_text()) == (0, "hvs.hush")
        assert b"Token (will be hidden): " in shown
        assert b"hush" not in shown

    def test_an_unseal_key_is_asked_for_without_echo(self, env: dict[str, str], server: FakeServer) -> None:
        status = {"sealed": True, "t": 3, "progress": 1, "initialized": True}
        server.answers |= {"PUT /v1/sys/unseal": (200, status), "GET /v1/sys/leader": (200, {"ha_enabled": False})}
        code, shown = talk(["operator", "unseal"], b"abcdef\n", env)
        assert code == 0
        assert b"abcdef" not in shown
        assert json.loads(server.seen[0].body) == {"key": "abcdef"}

    @pytest.mark.parametrize(("key", "code"), [(b"\x03", 130), (b"\x04", 1)])
    def test_it_can_be_refused(self, env: dict[str, str], key: bytes, code: int) -> None:
        got, shown = talk(["login"], key, env)
        assert got == code
        assert b"Traceback" not in shown

    def test_nothing_is_asked_when_told_not_to(self, env: dict[str, str]) -> None:
        code, shown = talk(["login", "-non-interactive"], b"", env)
        assert code == 2
        assert b"there is no terminal to ask on" in shown
