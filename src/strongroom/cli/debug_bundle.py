"""The work of `debug`: ask at intervals, write what comes, bundle it.

A target's answers are a JSON array in a file of its own, one object an answer with its time. `index.json` says what was
asked and what went wrong.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

from strongroom import VAULT_VERSION, __version__
from strongroom.cli.command import Refused
from strongroom.cli.data import os_error
from strongroom.cli.run import Run
from strongroom.client import jsontext
from strongroom.client.client import Client
from strongroom.client.errors import ClientError
from strongroom.client.files import replace_file

_SECOND = 10**9
_MIN_INTERVAL = 1.0
_LOG = "vault.log"
_HEALTH = "sys/health"
_STATES = ("standbycode", "sealedcode", "uninitcode", "drsecondarycode", "performancestandbycode")
_LOG_FORMATS = ("standard", "json")


class Target(NamedTuple):
    """What is asked for one target: its file, and by name in an answer the path (all of it under "")."""

    file: str
    paths: dict[str, str]
    often: bool = False
    once: bool = False


TARGETS = {
    "config": Target("config.json", {"config": "sys/config/state/sanitized"}, once=True),
    "host": Target("host_info.json", {"": "sys/host-info"}),
    "metrics": Target("metrics.json", {"": "sys/metrics"}, often=True),
    "replication-status": Target("replication_status.json", {"": "sys/replication/status"}),
    "requests": Target("requests.json", {"requests": "sys/in-flight-req"}),
    "server-status": Target("server_status.json", {"health": _HEALTH, "seal": "sys/seal-status"}),
}
#: Gathered in other ways, or not at all.
_OTHERS = ("log", "pprof")


class Plan(NamedTuple):
    """What was asked for. Times are seconds."""

    targets: list[str]
    duration: float
    interval: float
    metrics_interval: float
    compress: bool
    log_format: str
    output: Path


def debug(run: Run) -> int:
    """Gather, bundle, and say where it is."""
    if run.flags.bool("output-curl-string") or run.flags.bool("output-policy"):
        raise Refused("debug sends many requests: there is not one to show")
    moment = datetime.now(UTC)
    plan = _plan(run, moment)
    with run.client.preliminary(), run.doing("Error reaching the server"):
        health(run.client)  # a server that is not there has nothing to gather
    _announce(run, plan)
    folder = plan.output.with_name(f".{plan.output.name}.partial") if plan.compress else plan.output
    try:
        folder.mkdir(mode=0o700, parents=False)
    except OSError as error:
        raise Refused(f"Error creating {folder}: {os_error(error)}") from None
    try:
        capture = Capture(run, plan, folder, moment)
        try:
            with run.client.preliminary():  # wrapped answers tell nothing
                capture.gather()
        except KeyboardInterrupt:
            run.ui.warn("\nInterrupted: bundling what there is.")
        capture.finish()
        if plan.compress:
            _bundle(folder, plan.output)
    except OSError as error:
        raise Refused(f"Error writing the bundle: {os_error(error)}") from None
    finally:
        if plan.compress:
            shutil.rmtree(folder, ignore_errors=True)
    if capture.errors:
        run.ui.warn(f"{len(capture.errors)} things could not be gathered: see index.json")
    run.ui.out(f"Success! Bundle written to: {plan.output}")
    return 0


def health(client: Client) -> dict[str, Any]:
    """The server's health, which is an answer and no error in whatever state it is."""
    return client.get_json(_HEALTH, dict.fromkeys(_STATES, "200"))


def _plan(run: Run, moment: datetime) -> Plan:
    flags = run.flags
    targets = list(dict.fromkeys(target.strip().lower() for target in flags.list("target")))
    if unknown := [target for target in targets if target not in (*TARGETS, *_OTHERS)]:
        known = ", ".join(sorted((*TARGETS, *_OTHERS)))
        raise Refused(f"Invalid target: {unknown[0]}. It is one of {known}")

    def seconds(name: str, absent: float) -> float:
        value = flags.int(name) / _SECOND if flags.given(name) else absent
        if value < 0:
            raise Refused(f"-{name} must not be negative")
        return value

    style = flags.text("log-format") or "standard"
    if style not in _LOG_FORMATS:
        raise Refused(f"{style} is an unknown log format. Valid log formats are: {', '.join(_LOG_FORMATS)}")
    compress = flags.bool("compress") if flags.given("compress") else True
    name = flags.text("output") or f"vault-debug-{moment:%Y-%m-%dT%H-%M-%SZ}"
    if compress and not name.endswith((".tar.gz", ".tgz")):
        name += ".tar.gz"
    path = Path(name)
    if path.exists():
        raise Refused(f"{path} exists already: nothing was gathered")
    return Plan(
        targets=targets or [*TARGETS, "log"],
        duration=seconds("duration", 120.0),
        interval=max(seconds("interval", 30.0), _MIN_INTERVAL),
        metrics_interval=max(seconds("metrics-interval", 10.0), _MIN_INTERVAL),
        compress=compress,
        log_format=style,
        output=path,
    )


def _announce(run: Run, plan: Plan) -> None:
    rows = {
        "Server Address": run.client.transport.address.shown,
        "Client Version": f"{VAULT_VERSION} (Strongroom {__version__})",
        "Duration": f"{plan.duration:g}s",
        "Interval": f"{plan.interval:g}s",
        "Metrics Interval": f"{plan.metrics_interval:g}s",
        "Targets": ", ".join(plan.targets),
        "Output": str(plan.output),
    }
    lines = [f"{name:>20}: {value}" for name, value in rows.items()]
    run.ui.out("\n".join(["==> Starting debug capture...", *lines, ""]))
    run.ui.stdout.flush()


class Series:
    """A file with a JSON array that grows; at every moment all of it but the last bracket is there."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = open(path, "x", encoding="utf-8", opener=_private)  # noqa: SIM115
        self._file.write("[")
        self._count = 0

    def add(self, entry: dict[str, Any]) -> None:
        """One more."""
        self._file.write(("," if self._count else "") + "\n" + jsontext.dumps(entry, indent=2))
        self._file.flush()
        self._count += 1

    def close(self) -> None:
        """Make it whole."""
        self._file.write("\n]\n")
        self._file.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class Capture:
    """One run. `pause` waits for some seconds, `monotonic` tells the time."""

    def __init__(
        self,
        run: Run,
        plan: Plan,
        folder: Path,
        moment: datetime,
        *,
        pause: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._plan, self._folder, self._moment = run, plan, folder, moment
        self._pause, self._monotonic = pause, monotonic
        self._open = ExitStack()
        self._series: dict[str, Series] = {}
        self._log: LogCopy | None = None
        self.errors: list[dict[str, Any]] = []
        self._version = ""

    def gather(self) -> None:
        """Ask until the time is over."""
        self._say("==> Capturing information...")
        if "pprof" in self._plan.targets:
            self._fail("pprof", "the server has no profiles to give")
        if "log" in self._plan.targets:
            self._log = LogCopy(self._run, self._folder / _LOG, self._plan.log_format)
            self._log.start()
        begin = self._monotonic()
        end = begin + self._plan.duration
        due = dict.fromkeys((name for name in self._plan.targets if name in TARGETS), begin)
        while due:
            now = min(due.values())
            if now > begin:
                self._pause(max(0.0, now - self._monotonic()))
            for name in [name for name, at in due.items() if at <= now]:
                self._ask(name)
                due[name] = now + (self._plan.metrics_interval if TARGETS[name].often else self._plan.interval)
            due = {name: at for name, at in due.items() if at <= end and not TARGETS[name].once}
        self._pause(max(0.0, end - self._monotonic()))

    def finish(self) -> None:
        """Close all files and write the index."""
        if self._log is not None and (problem := self._log.stop()):
            self._fail("log", problem)
        self._open.close()
        files = sorted(path.name for path in self._folder.iterdir())
        index = {
            "version": 1,
            "vault_address": self._run.client.transport.address.shown,
            "client_version": VAULT_VERSION,
            "server_version": self._version,
            "timestamp": _stamp(self._moment),
            "duration_seconds": round(self._plan.duration),
            "interval_seconds": round(self._plan.interval),
            "metrics_interval_seconds": round(self._plan.metrics_interval),
            "compress": self._plan.compress,
            "targets": self._plan.targets,
            "output": {"files": ["index.json", *files]},
            "errors": self.errors,
        }
        replace_file(str(self._folder / "index.json"), (jsontext.dumps(index, indent=2) + "\n").encode())

    def _ask(self, name: str) -> None:
        target = TARGETS[name]
        moment = _stamp(datetime.now(UTC))
        entry: dict[str, Any] = {"timestamp": moment}
        failed = 0
        for key, path in target.paths.items():
            try:
                answer = self._read(path)
            except ClientError as error:
                self._fail(name, f"{path}: {_in_one_line(error)}")
                failed += 1
                continue
            if path == _HEALTH:
                self._version = str(answer.get("version") or "")
            entry |= {key: answer} if key else answer
        if failed < len(target.paths):
            self._series_of(name).add(entry)
        self._say(f"{moment} [WARN]  {name} is not complete" if failed else f"{moment} [INFO]  captured {name}")

    def _read(self, path: str) -> dict[str, Any]:
        if path == _HEALTH:
            return health(self._run.client)
        answer = self._run.client.get_json(path)
        data = answer.get("data")
        return data if isinstance(data, dict) and "request_id" in answer else answer

    def _series_of(self, name: str) -> Series:
        if name not in self._series:
            self._series[name] = series = Series(self._folder / TARGETS[name].file)
            self._open.callback(series.close)
        return self._series[name]

    def _fail(self, target: str, why: str) -> None:
        self.errors.append({"target": target, "error": why, "timestamp": _stamp(datetime.now(UTC))})

    def _say(self, text: str) -> None:
        self._run.ui.out(text)
        self._run.ui.stdout.flush()


class LogCopy(threading.Thread):
    """Copies the server's log while the rest is asked for."""

    def __init__(self, run: Run, path: Path, style: str) -> None:
        super().__init__(daemon=True)
        self._client = Client(run.client.settings)
        self._params = {"log_level": "debug", "log_format": style}
        self._path = path
        self._problem = ""
        self._stopped = False

    def run(self) -> None:
        """Copy until the stream ends."""
        try:
            lines = self._client.lines("sys/monitor", self._params)
            with open(self._path, "xb", opener=_private) as file:
                for line in lines:
                    if self._stopped:
                        return
                    file.write(line)
                    file.flush()
            self._problem = "sys/monitor: the server has ended the stream"
        except ClientError as error:
            self._problem = f"sys/monitor: {_in_one_line(error)}"
        except OSError as error:
            self._problem = f"{_LOG}: {os_error(error)}"

    def stop(self) -> str:
        """Copy no more; returns what went wrong before, or "". A thread that waits for a line ends with the process."""
        self._stopped = True
        return self._problem


def _bundle(folder: Path, output: Path) -> None:
    name = output.name.removesuffix(".tar.gz").removesuffix(".tgz")
    with open(output, "xb", opener=_private) as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.add(folder, arcname=name)


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _in_one_line(error: ClientError) -> str:
    return " ".join(str(error).split())
