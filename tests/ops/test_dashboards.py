"""The dashboards are what the code makes, and ask for what there is."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.metrics.catalogue import BY_NAME
from ops.grafana.generate import FOLDER, files
from tests.ops.asked import ASKED, MADE, PANELS, Asked
from tests.ops.promql import faults, labels_of, selectors

GRAFANA = FOLDER.parent
UNITS = {"s", "bytes", "percentunit", "short", "cps", "locale", "bool_yes_no"}
FITS = {
    "seconds": {"s"},
    "moment": {"s"},
    "bytes": {"bytes"},
    "money": {"locale"},
    "": {"short", "bool_yes_no"},
}
"""How a metric that is shown as it is told may be shown."""
LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
BY = re.compile(r"\bby \(([^)]*)\)")
NOT_SHOWN = {
    *("lotkeeper_numbers_frames", "lotkeeper_positions", "lotkeeper_validation_seconds"),
    "lotkeeper_stream_unreadable_entries_total",
    # What rules ask, and how old the others are.
    *("lotkeeper_backup_wanted", "lotkeeper_backup_drill_interval_seconds"),
    "lotkeeper_database_counted_age_seconds",
}


def test_the_files_are_what_the_code_makes() -> None:
    """``make dashboards`` writes them anew."""
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")} == files()


def test_there_is_one_for_each_part() -> None:
    assert {dashboard["title"] for dashboard in MADE.values()} == {
        "Lotkeeper: Truth",
        "Lotkeeper: Link and streams",
        "Lotkeeper: API and page",
        "Lotkeeper: Snapshots and jobs",
        "Lotkeeper: Machine",
    }
    for name, dashboard in MADE.items():
        assert name == f"{dashboard['uid']}.json"
        assert [one["name"] for one in dashboard["templating"]["list"]] == ["datasource"]


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=[name for name, _ in PANELS])
def test_each_panel_says_what_it_shows_in_which_unit(name: str, panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith("."), name
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    assert panel["options"], "null would be no options"
    for one in (panel, *panel["targets"]):
        assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    if panel["type"] == "stat":
        assert all(target["instant"] for target in panel["targets"]), "what was is not what is"


@pytest.mark.parametrize("asked", ASKED, ids=[f"{one.panel} {one.legend}" for one in ASKED])
def test_each_query_asks_for_metrics_and_labels_that_there_are(asked: Asked) -> None:
    assert faults(asked.expression) == []
    known = frozenset[str]().union(*(labels_of(one.metric) for one in selectors(asked.expression)))
    if (grouped := BY.search(asked.expression)) is not None:
        known = frozenset(label.strip() for label in grouped[1].split(","))
    elif re.match(r"(sum|max|min)\(", asked.expression):
        known = frozenset()
    assert set(LABEL.findall(asked.legend)) <= known


@pytest.mark.parametrize("asked", ASKED, ids=[f"{one.panel} {one.legend}" for one in ASKED])
def test_each_is_shown_in_a_unit_of_what_it_asks_for(asked: Asked) -> None:
    if "histogram_quantile" in asked.expression:
        assert asked.unit == "s"
    elif " / " in asked.expression:
        assert asked.unit == "percentunit"
    elif "rate(" in asked.expression:
        assert asked.unit == ("short" if "cpu_seconds" in asked.expression else "cps")
    else:
        for one in selectors(asked.expression):
            if one.metric in BY_NAME:
                assert asked.unit in FITS[BY_NAME[one.metric].unit], one.metric


@pytest.mark.promtool
def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"asked:{number}", "expr": asked.expression} for number, asked in enumerate(ASKED)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    program = shutil.which("promtool")
    assert program is not None
    done = subprocess.run([program, "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ASKED)} rules found" in done.stdout


def test_what_stands_is_shown() -> None:
    shown = {one.metric.removesuffix("_bucket") for asked in ASKED for one in selectors(asked.expression)}
    told = {name for name, metric in BY_NAME.items() if metric.processes == ("api",) and not metric.money}
    assert told - shown == NOT_SHOWN


def test_grafana_finds_them() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/lotkeeper.yml").read_text(encoding="utf-8"))
    (one,) = source["datasources"]
    assert (one["type"], one["url"]) == ("prometheus", "http://127.0.0.1:9090")
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/lotkeeper.yml").read_text(encoding="utf-8"))
    (one,) = provider["providers"]
    assert (one["type"], one["options"]["path"]) == ("file", "$LOTKEEPER_DASHBOARDS")
