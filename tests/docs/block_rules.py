"""What is not run of the pages' blocks, and what their examples stand for: nothing is left out elsewhere."""

from pathlib import Path

from tests.docs.blocks import ROOT
from tests.services.api.portfolio import TOKEN, USD

LANGUAGES_NOT_RUN = {
    "text": "a drawing: nothing to run",
    "{toctree}": "the menu of the site: tests/docs/test_site.py builds it, and every warning fails",
    "csv": "tests/services/position_sync/importing/test_csv_files.py takes it into the ledger",
}

PROGRAMS_NOT_RUN = {
    "useradd": "adds a user to this machine",
    "git": "would copy the repository from where its owner keeps it",
    "install": "writes into /etc; that what it installs is there is checked",
    "systemctl": "starts a service of this machine; tests/packaging checks the units",
}

COMMANDS_NOT_RUN = {
    "up": "goes on until it is stopped: tests/services/stack starts it",
    "broker": "goes on until it is stopped: tests/services/broker starts it",
    "setup": "talks with a person at a terminal: tests/services/cli/test_setup.py does",
    "backup points": "needs an embedded database with a past: tests/services/cli/test_recovering.py",
    "backup recover": "the same: tests/services/cli/test_recovering.py",
    "alerts add": "asks for a secret at a terminal: tests/services/cli/test_alerts.py types it",
    "alerts test": "needs the channel of `alerts add`: tests/services/cli/test_alerts.py sends to one",
}
"""Of ours; the command and its options are still looked up. Every other one is run."""

NO_SETTINGS = {
    "LOTKEEPER_URL": "the client's",
    "LOTKEEPER_DASHBOARDS": "read by Grafana: ops/grafana",
    "LOTKEEPER_NAME": "stands for any",
}
"""Variables that pages name and that are no settings of ours."""

ENDS_WITH = {"validate": 5}
"""The portfolio was written by hand, and no facts stand behind it: that is told, and is right."""

ENDLESS = ("client.watch(",)
"""What goes on until it is stopped: here, once it has printed something."""

READS_A_LOG = {"grep", "jq", "sort", "zgrep"}
"""Lines of nothing else are run over a log that we wrote."""

LOGGED = "5f0c9c0e-2b43-4f2e-8f4e-0a1c5f6f1b77"
"""The request that pages follow through the log."""


def stands_for(api_url: str | None, archive: Path | None) -> dict[str, str]:
    """What readers put in the places of a page's examples; ``None``: the page has no such example."""
    return {
        "U1234567": USD,
        "$TOKEN": TOKEN,
        "http://127.0.0.1:8321": api_url or "",
        ".venv/bin/lotkeeper": "lotkeeper",
        "/opt/lotkeeper": str(ROOT),
        "<this repository>": "https://git.example/lotkeeper",
        "lotkeeper-main-20261129T040000000Z.backup": str(archive or ""),
    }
