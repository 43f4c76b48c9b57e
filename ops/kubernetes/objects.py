"""The objects of Kubernetes that run our services. PostgreSQL and Redis are somebody else's."""

from typing import Any, Final

from ops.kubernetes.compose import Service, user

Object = dict[str, Any]

NAME: Final = "lotkeeper"
SETTINGS: Final = "lotkeeper"
"""The ConfigMap of what is each installation's own."""
SECRET: Final = "lotkeeper"  # noqa: S105 - where they are
METRICS: Final = "metrics"

_WHERE_SECRETS_ARE = "/run/secrets"
_SHARED_KEY = "second_factor_key"
_HOME_SIZE = "5Gi"
"""``LOTKEEPER_SPOOL_MEGABYTES``, and room besides."""
_BACKUPS = ("LOTKEEPER_BACKUP_SCHEDULED", "LOTKEEPER_BACKUP_BEFORE_MIGRATION")


def labels(name: str) -> dict[str, str]:
    """What tells a part from the others."""
    return {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": name}


def _head(kind: str, name: str, version: str = "v1", **more: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **more}}


def settings(parts: list[Service]) -> Object:
    """What is asked of whoever runs it; edit it before anything else."""
    asked = {name: value for part in parts for name, value in part.asked.items()}
    # There is no host around the pods: a Service of this name leads to the gateway.
    asked["LOTKEEPER_IB_HOST"] = "ib-gateway"
    return _head("ConfigMap", SETTINGS) | {"data": asked}


def _container(part: Service) -> Object:
    variables: list[Object] = [{"name": name, "value": value} for name, value in part.environment.items()]
    variables += [
        {"name": name, "valueFrom": {"configMapKeyRef": {"name": SETTINGS, "key": name}}}
        for name in part.asked
    ]
    # A pod's home dies with it: an archive there, beside its key, would be a backup in name.
    variables += [{"name": name, "value": "false"} for name in _BACKUPS]
    if part.name == "api":
        # Each of them makes one otherwise, and cannot read what another sealed.
        path = f"{_WHERE_SECRETS_ARE}/{_SHARED_KEY}"
        variables.append({"name": "LOTKEEPER_SECOND_FACTOR_KEY_FILE", "value": path})
    mounts: list[Object] = [
        {"name": "home", "mountPath": part.home},
        {"name": "secrets", "mountPath": _WHERE_SECRETS_ARE, "readOnly": True},
        *({"name": _named(path), "mountPath": path} for path in part.scratch),
    ]
    return {
        "name": part.name,
        "image": part.image,
        "args": part.command,
        "env": variables,
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": part.read_only,
            "capabilities": {"drop": part.dropped},
        },
        "volumeMounts": mounts,
    }


def _named(path: str) -> str:
    return path.strip("/").replace("/", "-")


def _pod(part: Service, migration: Service, ports: dict[str, int], probes: Object) -> Object:
    keys = [*part.secrets, *([_SHARED_KEY] if part.name == "api" else [])]
    number = user()
    return {
        "metadata": {"labels": labels(part.name)},
        "spec": {
            # A Service named lotkeeper would give every pod variables that begin as our settings do.
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": part.grace_seconds,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": number,
                "runAsGroup": number,
                "fsGroup": number,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": labels(part.name)},
                }
            ],
            # One migrates, others wait for its lock and find nothing left to do.
            "initContainers": [_container(migration)],
            "containers": [
                _container(part)
                | {"ports": [{"name": name, "containerPort": port} for name, port in ports.items()]}
                | probes
            ],
            "volumes": [
                {
                    "name": "secrets",
                    "secret": {
                        "secretName": SECRET,
                        "defaultMode": 0o440,
                        "items": [{"key": key, "path": key} for key in keys],
                    },
                },
                *({"name": _named(path), "emptyDir": {"medium": "Memory"}} for path in part.scratch),
            ],
        },
    }


def _metrics_probes() -> Object:
    """It serves nothing but its metrics: before they are there it has not started, without them it is gone.

    What it does is judged by what it does: its heartbeat and lag are in the API and the alerts.
    """
    look = {"httpGet": {"path": "/metrics", "port": METRICS}, "timeoutSeconds": 4}
    return {
        "startupProbe": look | {"periodSeconds": 2, "failureThreshold": 60},
        "livenessProbe": look | {"periodSeconds": 30, "failureThreshold": 4},
    }


def _api_probes(port: int) -> Object:
    def look(path: str) -> Object:
        # It answers to its own names only, and an address of a pod is none.
        host = {"name": "Host", "value": f"127.0.0.1:{port}"}
        return {"httpGet": {"path": path, "port": "http", "httpHeaders": [host]}, "timeoutSeconds": 4}

    return {
        "startupProbe": look("/livez") | {"periodSeconds": 2, "failureThreshold": 60},
        "livenessProbe": look("/livez") | {"periodSeconds": 10, "failureThreshold": 6},
        "readinessProbe": look("/readyz") | {"periodSeconds": 5, "failureThreshold": 2},
    }


def link(part: Service, migration: Service) -> list[Object]:
    """The broker link: one, whose facts on disk outlive its pod."""
    ports = {METRICS: int(part.environment["LOTKEEPER_BROKER_METRICS_PORT"])}
    selector = {"matchLabels": labels(part.name)}
    home = {
        "metadata": {"name": "home"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": _HOME_SIZE}}},
    }
    headless = _head("Service", part.name) | {
        "spec": {
            "clusterIP": "None",
            "selector": labels(part.name),
            "ports": [{"name": METRICS, "port": ports[METRICS], "targetPort": METRICS}],
        }
    }
    # Not a Deployment: of a StatefulSet no second pod is started before the first is known to be gone.
    stateful = _head("StatefulSet", part.name, "apps/v1") | {
        "spec": {
            "serviceName": part.name,
            "replicas": 1,
            "selector": selector,
            "template": _pod(part, migration, ports, _metrics_probes()),
            "volumeClaimTemplates": [home],
        }
    }
    return [headless, stateful]


def _many(part: Service, migration: Service, ports: dict[str, int], probes: Object) -> Object:
    pod = _pod(part, migration, ports, probes)
    # Nothing that must survive.
    pod["spec"]["volumes"].append({"name": "home", "emptyDir": {}})
    return _head("Deployment", part.name, "apps/v1") | {
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels(part.name)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": pod,
        }
    }


def worker(part: Service, migration: Service) -> list[Object]:
    """Workers: as many as you like."""
    ports = {METRICS: int(part.environment["LOTKEEPER_WORKER_METRICS_PORT"])}
    return [_many(part, migration, ports, _metrics_probes())]


def api(part: Service, migration: Service) -> list[Object]:
    """API processes behind one address inside the cluster; an Ingress with TLS is yours."""
    port = int(part.environment["LOTKEEPER_API_PORT"])
    front = _head("Service", NAME) | {
        "spec": {
            "selector": labels(part.name),
            "ports": [{"name": "http", "port": port, "targetPort": "http"}],
        }
    }
    budget = _head("PodDisruptionBudget", part.name, "policy/v1") | {
        "spec": {"minAvailable": 1, "selector": {"matchLabels": labels(part.name)}}
    }
    return [front, budget, _many(part, migration, {"http": port}, _api_probes(port))]


def closed() -> Object:
    """Nobody gets in but to the API; metrics are for this namespace alone."""
    ours = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": NAME}}}
    return _head("NetworkPolicy", NAME, "networking.k8s.io/v1") | {
        "spec": {
            **ours,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": [{"port": "http"}]},
                {"from": [{"podSelector": {}}], "ports": [{"port": METRICS}]},
            ],
        }
    }
