"""No container engine runs here: what compose.yaml says is held against its schema and against the code."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
OURS = ("migrate", "broker", "worker", "api")
ON_REQUEST = {"prometheus": "watch", "grafana": "watch", "gateway": "gateway"}
"""Of others, and started only where their profile is named."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


def test_it_follows_the_compose_schema() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [checker, "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_the_services_of_the_design(services: dict[str, Any]) -> None:
    assert set(services) == {"postgres", "redis", *OURS, *ON_REQUEST}
    profiles = {name: service["profiles"] for name, service in services.items() if "profiles" in service}
    assert profiles == {name: [profile] for name, profile in ON_REQUEST.items()}
    for name in OURS:
        assert services[name]["command"] == [name]
        assert services[name]["build"] == "."


def test_nobody_starts_before_the_schema_is_there(services: dict[str, Any]) -> None:
    for name in ("broker", "worker", "api"):
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_everything_starts_again_but_the_migration(services: dict[str, Any]) -> None:
    assert services["migrate"]["restart"] == "no"
    assert {service["restart"] for name, service in services.items() if name != "migrate"} == {
        "unless-stopped"
    }


def test_every_service_is_confined(services: dict[str, Any]) -> None:
    for name, service in services.items():
        # What its own image of IB Gateway writes, nobody but that image knows.
        assert service.get("read_only", name == "gateway") is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_ports_are_published_to_this_machine_only(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"api", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_the_database_and_redis_are_not_reachable_from_outside(compose: dict[str, Any]) -> None:
    assert compose["networks"]["inside"]["internal"] is True
    for name in ("postgres", "redis"):
        assert compose["services"][name]["networks"] == ["inside"]


def test_what_must_survive_is_on_a_volume(services: dict[str, Any], compose: dict[str, Any]) -> None:
    for name in ("postgres", "redis"):
        (volume,) = services[name]["volumes"]
        assert volume.partition(":")[0] in compose["volumes"]


def test_what_the_link_keeps_on_disk_outlives_its_container(
    services: dict[str, Any], compose: dict[str, Any]
) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (home,) = re.findall(r"LOTKEEPER_HOME=(\S+)", dockerfile)
    volumes = dict(reversed(volume.split(":")) for volume in services["broker"]["volumes"])
    spool = Settings(home=Path(home)).spool_dir
    assert any(spool.is_relative_to(path) and name in compose["volumes"] for path, name in volumes.items())


def test_servers_and_the_api_have_health_checks(services: dict[str, Any]) -> None:
    for name in ("postgres", "redis", "api"):
        assert services[name]["healthcheck"]["test"]
    assert "/readyz" in services["api"]["healthcheck"]["test"][-1]


def test_redis_loses_no_facts(services: dict[str, Any]) -> None:
    script = services["redis"]["command"][-1]
    for setting in ("appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction", "requirepass"):
        assert setting in script


def test_every_setting_exists(services: dict[str, Any]) -> None:
    for name in OURS:
        for variable in services[name]["environment"]:
            field = variable.removeprefix(PREFIX).removesuffix("_FILE").lower()
            assert field in Settings.model_fields, variable


def test_secrets_are_files_never_values(compose: dict[str, Any]) -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert not re.search(r"(PASSWORD|TOKEN|DATABASE_URL|REDIS_URL): ", text)
    for service in compose["services"].values():
        for name in service.get("secrets", []):
            assert compose["secrets"][name] == {"file": f"./secrets/{name}"}


def test_the_gateway_on_the_host_is_found(services: dict[str, Any]) -> None:
    assert services["broker"]["extra_hosts"] == ["host.docker.internal:host-gateway"]
    assert services["broker"]["environment"]["LOTKEEPER_IB_HOST"].endswith("host.docker.internal}")
    assert set(services["broker"]["networks"]) == {"inside", "outside"}


def test_the_secrets_that_it_asks_for_are_generated_once(tmp_path: Path, compose: dict[str, Any]) -> None:
    folder = tmp_path / "secrets"
    script = ROOT / "ops" / "bin" / "make-secrets"
    env = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run([script, folder], check=True, capture_output=True, env=env)
    made = {path.name: path.read_text(encoding="ascii") for path in folder.iterdir()}
    assert set(made) == set(compose["secrets"])
    assert made["postgres_password"] in made["database_url"]
    assert made["redis_password"] in made["redis_url"]
    assert made.pop("prometheus_token") == "", "one that may read only is made by the API"
    assert len(set(made.values())) == 6
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    again = subprocess.run([script, folder], check=False, capture_output=True, text=True, env=env)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    kept = {path.name: path.read_text(encoding="ascii") for path in folder.iterdir()}
    assert kept == {**made, "prometheus_token": ""}


def test_prometheus_scrapes_where_metrics_are_served_and_has_the_rules(services: dict[str, Any]) -> None:
    config = yaml.safe_load((ROOT / "ops/prometheus/compose.yml").read_text(encoding="utf-8"))
    alone = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs) == {job["job_name"] for job in alone["scrape_configs"]}
    assert config["rule_files"] == alone["rule_files"]
    link = services["broker"]["environment"]
    assert jobs["lotkeeper-broker"]["static_configs"][0]["targets"] == [
        f"broker:{link['LOTKEEPER_BROKER_METRICS_PORT']}"
    ]
    (found,) = jobs["lotkeeper-worker"]["dns_sd_configs"]
    worker = services["worker"]["environment"]
    assert (found["names"], str(found["port"])) == (["worker"], worker["LOTKEEPER_WORKER_METRICS_PORT"])
    assert jobs["lotkeeper-api"]["authorization"]["credentials_file"] == "/run/secrets/prometheus_token"
    # Not the instance's own, which may do everything.
    assert services["prometheus"]["secrets"] == ["prometheus_token"]
    for service in (link, worker):
        assert service["LOTKEEPER_METRICS_HOST"] == "0.0.0.0"
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (ROOT / source).exists(), (name, source)


def test_grafana_finds_prometheus_by_its_name() -> None:
    (source,) = yaml.safe_load((ROOT / "ops/grafana/compose/datasources.yml").read_text())["datasources"]
    alone = ROOT / "ops/grafana/provisioning/datasources/lotkeeper.yml"
    (other,) = yaml.safe_load(alone.read_text())["datasources"]
    assert source == {**other, "url": "http://prometheus:9090"}
