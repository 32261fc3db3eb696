"""What operators watch a server with: `monitor`, `debug`, `operator usage`; and lists that are very long."""

from __future__ import annotations

import json
import tarfile
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.cli_fakes import FakeServer, Vault

from strongroom.cli import debug_bundle
from strongroom.cli.debug_bundle import Capture, Plan

HEALTH = "GET /v1/sys/health?" + "&".join(
    f"{name}=200"
    for name in sorted(("drsecondarycode", "performancestandbycode", "sealedcode", "standbycode", "uninitcode"))
)
LOG = "GET /v1/sys/monitor?log_format=standard&log_level=debug"
ACTIVITY = "GET /v1/sys/internal/counters/activity"


def envelope(data: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"request_id": "r", "lease_id": "", "renewable": False, "lease_duration": 0, "data": data}


def report(clients: int = 3) -> dict[str, Any]:
    counts = {"distinct_entities": clients - 1, "non_entity_tokens": 1, "clients": clients}
    root = {"namespace_id": "root", "namespace_path": "", "counts": counts, "mounts": []}
    times = {"start_time": "2025-01-01T00:00:00Z", "end_time": "2025-12-31T23:59:59Z"}
    return {**times, "by_namespace": [root], "total": counts, "months": []}


class TestUsage:
    def test_the_table_has_a_row_for_each_namespace_and_the_total(self, server: FakeServer, vault: Vault) -> None:
        server.answers[ACTIVITY] = envelope(report(1913))
        result = vault("operator", "usage")
        assert result.code == 0
        assert result.out == (
            "Period start: 2025-01-01T00:00:00Z\n"
            "Period end: 2025-12-31T23:59:59Z\n"
            "\n"
            "Namespace path   Distinct entities   Non-Entity tokens   Active clients\n"
            "--------------   -----------------   -----------------   --------------\n"
            "[root]           1912                1                   1913\n"
            "\n"
            "Total            1912                1                   1913\n"
        )

    def test_programs_get_the_whole_answer(self, server: FakeServer, vault: Vault) -> None:
        server.answers[ACTIVITY] = envelope(report())
        assert vault("operator", "usage", "-format=json").json["data"]["total"]["clients"] == 3

    @pytest.mark.parametrize(
        ("text", "sent"),
        [
            ("2025-02", "2025-02-01T00%3A00%3A00Z"),
            ("2025-02-03", "2025-02-03T00%3A00%3A00Z"),
            ("2025-02-03T04:05:06Z", "2025-02-03T04%3A05%3A06Z"),
            ("1738555506", "2025-02-03T04%3A05%3A06Z"),
        ],
    )
    def test_dates_are_taken_in_four_forms(self, server: FakeServer, vault: Vault, text: str, sent: str) -> None:
        server.answers[f"{ACTIVITY}?start_time={sent}"] = envelope(report())
        assert vault("operator", "usage", f"-start-time={text}").code == 0

    @pytest.mark.parametrize("text", ["soon", "2025-13", "99999999999999999999", "2025"])
    def test_another_form_is_refused(self, vault: Vault, text: str) -> None:
        result = vault("operator", "usage", "-end-time", text)
        assert result.code == 1
        assert result.err.startswith(f'invalid value "{text}" for flag -end-time: ')

    @pytest.mark.parametrize(
        ("config", "words"),
        [
            ({"enabled": "disable", "queries_available": False}, "does not count"),
            ({"enabled": "default-disabled", "queries_available": False}, "does not count"),
            ({"enabled": "default-enabled", "queries_available": False}, "first month is not over"),
            ({"enabled": "enable", "queries_available": True}, "No data is available for these months."),
            (None, "No data is available for these months."),
        ],
    )
    def test_without_a_report_it_says_why(
        self, server: FakeServer, vault: Vault, config: dict[str, Any] | None, words: str
    ) -> None:
        server.answers[ACTIVITY] = (204, None)
        if config is not None:
            server.answers["GET /v1/sys/internal/counters/config"] = envelope(config)
        result = vault("operator", "usage")
        assert (result.code, result.out) == (2, "")
        assert words in result.err


class TestMonitor:
    def test_lines_go_to_stdout_and_the_end_of_the_stream_is_an_error(self, server: FakeServer, vault: Vault) -> None:
        server.answers["GET /v1/sys/monitor?log_format=json&log_level=trace"] = (200, b"one\ntwo\n")
        result = vault("monitor", "-log-level=TRACE", "-log-format=json")
        assert (result.code, result.out) == (2, "one\ntwo\n")
        assert "ended the stream" in result.err

    def test_the_default_is_info_for_people(self, server: FakeServer, vault: Vault) -> None:
        vault("monitor")
        assert server.seen[0].target == "/v1/sys/monitor?log_format=standard&log_level=info"

    @pytest.mark.parametrize("flag", ["-log-level=loud", "-log-format=xml"])
    def test_unknown_words_are_refused(self, vault: Vault, flag: str) -> None:
        result = vault("monitor", flag)
        assert result.code == 1
        assert "is an unknown log" in result.err

    def test_a_refusal_is_shown(self, server: FakeServer, vault: Vault) -> None:
        result = vault("monitor")
        assert result.code == 2
        assert result.err.startswith("Error monitoring the server: ")


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def all_answers(server: FakeServer) -> None:
    server.answers |= {
        HEALTH: (200, {"sealed": False, "version": "1.15.6"}),
        LOG: (200, b"a line\n"),
        "GET /v1/sys/config/state/sanitized": envelope({"log_level": "info"}),
        "GET /v1/sys/host-info": envelope({"cpu": []}),
        "GET /v1/sys/in-flight-req": envelope({"id": {}}),
        "GET /v1/sys/metrics": (200, {"Gauges": []}),
        "GET /v1/sys/replication/status": envelope({"dr": {"mode": "disabled"}}),
        "GET /v1/sys/seal-status": (200, {"sealed": False}),
    }


class TestDebug:
    FILES = (
        "config.json",
        "host_info.json",
        "metrics.json",
        "replication_status.json",
        "requests.json",
        "server_status.json",
    )

    @pytest.mark.usefixtures("all_answers")
    def test_the_bundle_has_everything_and_is_private(self, vault: Vault, tmp_path: Path) -> None:
        path = tmp_path / "bundle.tar.gz"
        result = vault("debug", "-duration=0", f"-output={path}")
        assert result.code == 0, result.err
        assert result.out.endswith(f"Success! Bundle written to: {path}\n")
        assert listed(tmp_path) == ["bundle.tar.gz"]
        assert path.stat().st_mode & 0o777 == 0o600
        with tarfile.open(path) as archive:
            archive.extractall(tmp_path, filter="data")
        folder = tmp_path / "bundle"
        index = json.loads((folder / "index.json").read_text())
        assert (index["server_version"], index["compress"]) == ("1.15.6", True)
        assert set(index["output"]["files"]) >= {"index.json", *self.FILES}
        for name in self.FILES:
            (entry,) = json.loads((folder / name).read_text())
            assert entry["timestamp"]
        assert json.loads((folder / "config.json").read_text())[0]["config"] == {"log_level": "info"}
        assert json.loads((folder / "server_status.json").read_text())[0]["seal"] == {"sealed": False}

    def test_a_server_that_is_not_there_is_an_error_at_once(self, vault: Vault, tmp_path: Path) -> None:
        result = vault("debug", f"-output={tmp_path / 'out'}", VAULT_ADDR="http://127.0.0.1:1")
        assert (result.code, listed(tmp_path)) == (2, [])

    @pytest.mark.usefixtures("all_answers")
    def test_without_compression_it_is_a_folder(self, vault: Vault, tmp_path: Path) -> None:
        result = vault("debug", "-duration=0", "-compress=false", f"-output={tmp_path / 'out'}", "-target=host")
        assert result.code == 0, result.err
        assert listed(tmp_path / "out") == ["host_info.json", "index.json"]

    def test_what_cannot_be_had_stands_in_the_index(self, server: FakeServer, vault: Vault, tmp_path: Path) -> None:
        server.answers[HEALTH] = (200, {"version": "1.15.6"})
        words = [f"-target={one}" for one in ("pprof", "host", "server-status")]
        result = vault("debug", "-duration=0", "-compress=false", f"-output={tmp_path / 'out'}", *words)
        assert result.code == 0
        assert "3 things could not be gathered" in result.err
        errors = json.loads((tmp_path / "out/index.json").read_text())["errors"]
        assert [error["target"] for error in errors] == ["pprof", "host", "server-status"]
        assert not (tmp_path / "out/host_info.json").exists()
        assert json.loads((tmp_path / "out/server_status.json").read_text())[0]["health"] == {"version": "1.15.6"}

    @pytest.mark.parametrize(
        "words",
        [("-target=all",), ("-duration=-1s",), ("-log-format=xml",), ("-output-curl-string",), ("-output-policy",)],
    )
    def test_wrong_use_makes_nothing(self, vault: Vault, tmp_path: Path, words: tuple[str, ...]) -> None:
        assert vault("debug", f"-output={tmp_path / 'out'}", *words).code == 1
        assert listed(tmp_path) == []

    def test_nothing_is_written_over(self, server: FakeServer, vault: Vault, tmp_path: Path) -> None:
        server.answers[HEALTH] = (200, {})
        (tmp_path / "there.tar.gz").write_text("mine")
        result = vault("debug", f"-output={tmp_path / 'there'}")
        assert result.code == 1
        assert (tmp_path / "there.tar.gz").read_text() == "mine"
        assert vault("debug", f"-output={tmp_path / 'no/such/folder'}").code == 1

    @pytest.mark.usefixtures("all_answers")
    def test_an_interruption_leaves_what_there_is(
        self, vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask = Capture._ask

        def interrupted(self: Capture, name: str) -> None:
            if name == "host":
                raise KeyboardInterrupt
            ask(self, name)

        monkeypatch.setattr(Capture, "_ask", interrupted)
        result = vault("debug", "-compress=false", f"-output={tmp_path / 'out'}", "-target=metrics", "-target=host")
        assert result.code == 0
        assert "Interrupted" in result.err
        assert len(json.loads((tmp_path / "out/metrics.json").read_text())) == 1

    @pytest.mark.usefixtures("all_answers")
    def test_each_target_is_asked_at_its_interval(
        self, vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [100.0]

        def pause(seconds: float) -> None:
            now[0] += seconds

        kept: list[Plan] = []
        original = Capture.__init__

        def made(self: Capture, run: Any, plan: Plan, folder: Path, moment: datetime) -> None:
            kept.append(plan)
            original(self, run, plan, folder, moment, pause=pause, monotonic=lambda: now[0])

        monkeypatch.setattr(Capture, "__init__", made)
        words = [f"-target={one}" for one in ("metrics", "host", "config")]
        result = vault("debug", "-duration=60s", "-compress=false", f"-output={tmp_path / 'out'}", *words)
        assert result.code == 0, result.err
        counts = {name: len(json.loads((tmp_path / "out" / name).read_text())) for name in TestDebug.FILES[:3]}
        assert counts == {"config.json": 1, "host_info.json": 3, "metrics.json": 7}
        assert now[0] == 160.0
        assert kept[0].interval == 30.0


def test_moments_are_written_in_utc() -> None:
    assert debug_bundle._stamp(datetime(2025, 1, 2, 3, 4, 5, 6000, UTC)) == "2025-01-02T03:04:05.006Z"


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_a_very_long_list_is_printed_from_one_copy_of_it(server: FakeServer, vault: Vault, form: str) -> None:
    names = [f"app-{number:06d}-configuration" for number in range(20_000)]
    body = json.dumps({"request_id": "r", "data": {"keys": names}}).encode()
    server.answers["GET /v1/secret/metadata?list=true"] = (200, body)
    vault("list", f"-format={form}", "secret/metadata")
    tracemalloc.start()
    try:
        result = vault("list", f"-format={form}", "secret/metadata")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.code == 0
    assert result.out.count("app-") == len(names)
    # The body, its text, the names; the test's own terminal holds what was printed twice.
    assert peak < 8 * len(body) + (1 << 20)
