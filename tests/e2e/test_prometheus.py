"""A real Prometheus with our configuration scrapes a running Lotkeeper and evaluates our rules."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from services.stack.ports import free_port
from tests.e2e.conftest import PATIENCE_SECONDS, Stack
from tests.ops.asked import ASKED
from tests.waiting import SECONDS, eventually_now

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.prometheus]

OURS = Path(__file__).parents[2] / "ops" / "prometheus"


class Prometheus:
    """What a running one says."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **parameters: str) -> Any:
        reply = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=SECONDS)
        reply.raise_for_status()
        return reply.json()["data"]

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=SECONDS).status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="session")
def prometheus(running_demo: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Ours, but for the ports, and twice as fast."""
    folder = tmp_path_factory.mktemp("prometheus")
    shutil.copytree(OURS / "rules", folder / "rules")
    config = yaml.safe_load((OURS / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "5s", "evaluation_interval": "5s"}
    ports = {
        "lotkeeper-api": running_demo.port,
        "lotkeeper-broker": running_demo.variables["LOTKEEPER_BROKER_METRICS_PORT"],
        "lotkeeper-worker": running_demo.variables["LOTKEEPER_WORKER_METRICS_PORT"],
    }
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "api-token").write_text(running_demo.token, encoding="utf-8")
    program, port = shutil.which("prometheus"), free_port()
    assert program is not None
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        one = Prometheus(port)
        try:
            eventually_now(one.is_ready, seconds=PATIENCE_SECONDS)
            yield one
        finally:
            os.kill(process.pid, signal.SIGTERM)


def test_it_reaches_every_process(prometheus: Prometheus) -> None:
    def health() -> dict[str, tuple[str, str]]:
        targets = prometheus.ask("targets")["activeTargets"]
        return {one["labels"]["job"]: (one["health"], one["lastError"]) for one in targets}

    up = {f"lotkeeper-{name}": ("up", "") for name in ("api", "broker", "worker")}
    eventually_now(health, lambda found: found == up, seconds=PATIENCE_SECONDS)


def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    def evaluated(found: list[dict[str, Any]]) -> bool:
        return all(rule["health"] != "unknown" for rule in found)

    found = eventually_now(rules, evaluated, seconds=PATIENCE_SECONDS)
    assert {rule["name"]: rule.get("lastError", "") for rule in found if rule["health"] != "ok"} == {}
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (OURS / "rules").glob("*.yml")]
    ours = {rule["alert"] for file in files for group in file["groups"] for rule in group["rules"]}
    assert {rule["name"] for rule in found} == ours


def test_it_keeps_what_was_told(prometheus: Prometheus) -> None:
    query = 'lotkeeper_build_info{job=~"lotkeeper-.+"}'
    found = eventually_now(
        lambda: prometheus.ask("query", query=query)["result"],
        lambda result: len(result) == 3,
        seconds=PATIENCE_SECONDS,
    )
    assert {one["metric"]["profile"] for one in found} == {"demo"}
    assert prometheus.ask("query", query="lotkeeper_database_up == 1")["result"]


def test_every_panel_can_be_drawn(prometheus: Prometheus) -> None:
    for asked in ASKED:
        prometheus.ask("query", query=asked.expression)


def test_a_scrape_is_not_large(prometheus: Prometheus) -> None:
    """How long it takes is measured by ``bench/scrape.py``."""
    (sizes,) = eventually_now(
        lambda: prometheus.ask("query", query='scrape_samples_scraped{job="lotkeeper-api"} > 0')["result"],
        seconds=PATIENCE_SECONDS,
    )
    assert float(sizes["value"][1]) < 3_000
