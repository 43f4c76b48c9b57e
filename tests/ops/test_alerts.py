"""The rules for Prometheus: what they ask for is there, each is tested, and each says what to do."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from services.cli.commands import app
from tests.ops.promql import faults

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "ops" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
RUNBOOK = ROOT / "docs" / "runbook.md"
SEVERITIES = {"critical", "warning"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def alerts_of(path: Path) -> list[dict[str, Any]]:
    return [rule for group in read(path)["groups"] for rule in group["rules"]]


ALERTS = [rule for path in RULES for rule in alerts_of(path)]
NAMES = [rule["alert"] for rule in ALERTS]


def promtool(*arguments: str | Path) -> None:
    program = shutil.which("promtool")
    assert program is not None
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, cwd=PROMETHEUS)
    assert done.returncode == 0, done.stdout + done.stderr


def sections() -> dict[str, str]:
    """The runbook's sections about alerts, by their title."""
    parts = re.split(r"^### (.+)$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.promtool
@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_each_alert_fires_when_it_should_and_only_then(path: Path) -> None:
    promtool("check", "rules", path)
    promtool("test", "rules", PROMETHEUS / "tests" / path.name)


@pytest.mark.promtool
def test_the_configuration_is_one() -> None:
    promtool("check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(path: Path) -> None:
    cases = {case["name"]: case for case in read(PROMETHEUS / "tests" / path.name)["tests"]}
    names = [rule["alert"] for rule in alerts_of(path)]
    wanted = {"fires": [{"value": 1}], "stays quiet": []}
    # There may be more of either: `NAME: fires, WHEN`.
    assert {case.partition(", ")[0] for case in cases} == {
        f"{name}: {what}" for name in names for what in wanted
    }
    for case, one in cases.items():
        name, what = case.partition(", ")[0].split(": ")
        (asked,) = one["promql_expr_test"]
        assert asked["expr"] == f'count(ALERTS{{alertname="{name}", alertstate="firing"}})'
        assert asked["exp_samples"] == wanted[what]


def test_no_two_alerts_have_the_same_name() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_each_alert_asks_for_metrics_and_labels_that_there_are(rule: dict[str, Any]) -> None:
    assert faults(rule["expr"]) == []


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_each_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    name = rule["alert"]
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["for"]
    told = rule["annotations"]
    assert set(told) == {"summary", "description", "runbook"}
    assert told["description"].endswith(".")
    # As GitHub and others make anchors of titles.
    assert told["runbook"] == f"docs/runbook.md#{name.lower()}"
    assert name in sections()


def test_each_section_of_the_runbook_is_about_an_alert_and_complete() -> None:
    assert set(sections()) == set(NAMES)
    for name, section in sections().items():
        for part in ("**Means**", "**At risk**", "**Look**", "**Do**", "**Ends**"):
            assert part in section, (name, part)


def test_everything_is_scraped_on_loopback() -> None:
    config = read(PROMETHEUS / "prometheus.yml")
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs) == {"lotkeeper-api", "lotkeeper-broker", "lotkeeper-worker"}
    for job in jobs.values():
        for target in job["static_configs"][0]["targets"]:
            assert target.startswith("127.0.0.1:")
    assert jobs["lotkeeper-api"]["authorization"] == {"credentials_file": "api-token"}
    docs = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8")
    for name in ("broker", "worker"):
        port = jobs[f"lotkeeper-{name}"]["static_configs"][0]["targets"][0].rpartition(":")[2]
        assert f"LOTKEEPER_{name.upper()}_METRICS_PORT={port}" in docs


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("lotkeeper_of_my_own > 0", "no metric lotkeeper_of_my_own"),
        ('lotkeeper_jobs{state="failed"} > 0', "lotkeeper_jobs has no label state"),
        ("sum by (state) (lotkeeper_jobs) > 0", "none of its metrics has a label state"),
        ("lotkeeper_http_request_seconds > 0", "is a histogram"),
        ("vector(1)", "it asks for no metric"),
    ],
)
def test_what_there_is_not_is_found(expression: str, fault: str) -> None:
    assert fault in "\n".join(faults(expression))


def test_the_runbook_names_commands_that_there_are() -> None:
    known: Any = get_command(app)
    named = set(re.findall(r"`lotkeeper ([a-z]+)(?: ([a-z]+))?", RUNBOOK.read_text(encoding="utf-8")))
    assert named
    for first, second in named:
        command = known.commands[first]
        if second and hasattr(command, "commands"):
            assert second in command.commands, (first, second)
