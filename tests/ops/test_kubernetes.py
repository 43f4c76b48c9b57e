"""The manifest is what the code makes of compose.yaml, and runs what must run as it must run."""

from typing import Any

import pytest
import yaml

from core.settings import PREFIX, Settings
from ops.kubernetes.compose import ROOT
from ops.kubernetes.generate import FILE, content

OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(FILE.read_text(encoding="utf-8")))
WORKLOADS = {one["metadata"]["name"]: one["spec"] for one in OBJECTS if "template" in one.get("spec", {})}
PODS = {name: spec["template"]["spec"] for name, spec in WORKLOADS.items()}
CONTAINERS = [
    pytest.param(name, one, id=f"{name}-{one['name']}")
    for name, pod in PODS.items()
    for one in (*pod["initContainers"], *pod["containers"])
]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for one in OBJECTS if one["kind"] == kind]


def test_the_file_is_what_the_code_makes() -> None:
    """``make kubernetes`` writes it anew."""
    assert FILE.read_text(encoding="utf-8") == content()


def test_it_runs_the_services_of_compose_and_one_link() -> None:
    kinds = {one["metadata"]["name"]: one["kind"] for one in OBJECTS if "template" in one.get("spec", {})}
    assert kinds == {"broker": "StatefulSet", "worker": "Deployment", "api": "Deployment"}
    assert {name: spec["replicas"] for name, spec in WORKLOADS.items()} == {
        "broker": 1,
        "worker": 2,
        "api": 2,
    }
    for name, pod in PODS.items():
        assert [one["args"] for one in pod["initContainers"]] == [["migrate"]]
        assert [one["args"] for one in pod["containers"]] == [[name]]


@pytest.mark.parametrize(("name", "container"), CONTAINERS)
def test_a_container_is_given_what_compose_gives_it(name: str, container: dict[str, Any]) -> None:
    said = COMPOSE["services"][container["name"]]
    given = {one["name"]: one.get("value") for one in container["env"]}
    own = {"LOTKEEPER_SECOND_FACTOR_KEY_FILE"} if container["name"] == "api" else set()
    # What a backup in a pod's own folder would be worth.
    own |= {"LOTKEEPER_BACKUP_SCHEDULED", "LOTKEEPER_BACKUP_BEFORE_MIGRATION"}
    assert set(given) == {*said["environment"], *own}
    assert given["LOTKEEPER_BACKUP_SCHEDULED"] == given["LOTKEEPER_BACKUP_BEFORE_MIGRATION"] == "false"
    (asked,) = of_kind("ConfigMap")
    for variable, value in given.items():
        assert variable.removeprefix(PREFIX).removesuffix("_FILE").lower() in Settings.model_fields, variable
        assert value == said["environment"].get(variable, value) or variable in asked["data"]
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    assert mounts == {"/run/secrets", *said["tmpfs"], *(one.partition(":")[2] for one in said["volumes"])}
    pod, spec = PODS[name], WORKLOADS[name]
    volumes = {one["name"] for one in pod["volumes"]}
    volumes |= {one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", [])}
    assert {one["name"] for one in container["volumeMounts"]} == volumes


@pytest.mark.parametrize(("name", "container"), CONTAINERS)
def test_each_secret_that_a_setting_names_is_there(name: str, container: dict[str, Any]) -> None:
    (secrets,) = (one["secret"] for one in PODS[name]["volumes"] if one["name"] == "secrets")
    files = {f"/run/secrets/{one['path']}" for one in secrets["items"]}
    for variable in container["env"]:
        if variable["name"].endswith("_FILE"):
            assert variable["value"] in files


@pytest.mark.parametrize(("name", "container"), CONTAINERS)
def test_nobody_may_more_than_needed(name: str, container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"USER {pod['securityContext']['runAsUser']}:" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert pod["automountServiceAccountToken"] is False
    assert "hostNetwork" not in pod


@pytest.mark.parametrize("name", PODS)
def test_each_is_looked_after(name: str) -> None:
    (container,) = PODS[name]["containers"]
    ports = {one["name"] for one in container["ports"]}
    probes = {key: value for key, value in container.items() if key.endswith("Probe")}
    wanted = {"startupProbe", "livenessProbe", *(["readinessProbe"] if name == "api" else [])}
    assert set(probes) == wanted
    assert {probe["httpGet"]["port"] for probe in probes.values()} <= ports
    if name == "api":
        assert probes["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert probes["livenessProbe"]["httpGet"]["path"] == "/livez"


def test_selectors_find_what_they_are_for() -> None:
    found = {name: spec["template"]["metadata"]["labels"] for name, spec in WORKLOADS.items()}
    for name, spec in WORKLOADS.items():
        assert spec["selector"]["matchLabels"] == found[name]
    for service in of_kind("Service"):
        chosen = [name for name, labels in found.items() if service["spec"]["selector"] == labels]
        assert len(chosen) == 1
        (container,) = PODS[chosen[0]]["containers"]
        assert {one["targetPort"] for one in service["spec"]["ports"]} <= {
            one["name"] for one in container["ports"]
        }
    # Kubernetes would tell each pod of it under names that begin as our settings do.
    assert all(pod["enableServiceLinks"] is False for pod in PODS.values())


def test_what_the_link_keeps_on_disk_outlives_its_pod() -> None:
    (claim,) = WORKLOADS["broker"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "home"
    size = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi"))
    assert size * 1024 >= 2 * Settings.model_fields["spool_megabytes"].default
