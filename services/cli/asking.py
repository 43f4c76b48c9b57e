"""``status`` and ``resync``: questions to a running Lotkeeper."""

import json
import time
from typing import Any

import typer

from core.settings import Profile
from services.cli import show
from services.cli.target import ApiDownError, ApiRefusedError, Target, ask, find_target
from services.stack.processes import is_alive

FOLLOW_SECONDS = 0.2
_ENDED = {"succeeded", "failed"}


def show_status(profile: Profile | None, *, as_json: bool) -> None:
    """Print what runs and how fresh the data are.

    Raises:
        ApiDownError: the API does not answer; what the runtime file tells is printed first.
        ApiRefusedError: it answers, but not to us; the same.
    """
    target = find_target(profile)
    sync: dict[str, Any] | None = None
    failure: ApiDownError | ApiRefusedError | None = None
    try:
        sync = ask(target, "GET", "/api/v1/sync")
    except (ApiDownError, ApiRefusedError) as error:
        failure = error
    found = {
        "profile": target.runtime.profile if target.runtime else target.settings.profile,
        "api": {"url": target.url, "up": not isinstance(failure, ApiDownError)},
        "stack": _stack(target),
        "sync": sync,
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        show.status(found)
    if failure is not None:
        raise failure


def _stack(target: Target) -> dict[str, Any] | None:
    """The running stack without its secrets."""
    runtime = target.runtime
    if runtime is None:
        return None
    return {
        "pid": runtime.pid,
        "since": runtime.since,
        "log_file": runtime.log_file,
        "ports": runtime.ports,
        "processes": [
            {
                "name": name,
                "pid": entry["pid"],
                "running": entry["pid"] is not None and is_alive(entry["pid"], entry["started"]),
                "restarts": entry["restarts"],
            }
            for name, entry in runtime.processes.items()
        ],
    }


def ask_for_resync(profile: Profile | None, *, wait_seconds: int | None, as_json: bool) -> None:
    """Ask for a comparison with the broker and, if wanted, follow it to its end.

    Raises:
        ApiDownError: the API does not answer.
        ApiRefusedError: the resync failed, or did not end in time.
    """
    target = find_target(profile)
    job = ask(target, "POST", "/api/v1/sync/resync")["job"]
    if wait_seconds is None:
        if as_json:
            typer.echo(json.dumps({"job": job}))
        else:
            typer.echo(f"Resync asked for (job {job['id']}). Follow it with: lotkeeper resync --wait")
        return
    job = _follow(target, job, wait_seconds, quiet=as_json)
    if as_json:
        typer.echo(json.dumps({"job": job}))
    if job["status"] not in _ENDED:
        raise ApiRefusedError(
            f"The resync (job {job['id']}) is still {job['status']} after {wait_seconds} s. "
            "Is the gateway there? See: lotkeeper status"
        )
    if job["status"] == "failed":
        raise ApiRefusedError(f"The resync failed: {job['error'] or 'no reason given'}.")
    if not as_json:
        logins = (job.get("result") or {}).get("logins") or {}
        left_out = {login: why for login, why in sorted(logins.items()) if why}
        for login, why in left_out.items():
            typer.echo(f"Not compared, {login}: {why}", err=True)
        what = "what could be asked about" if left_out else "everything"
        typer.echo(f"Resync done: {what} was compared with the broker.")


def _follow(target: Target, job: dict[str, Any], wait_seconds: int, *, quiet: bool) -> dict[str, Any]:
    deadline = time.monotonic() + wait_seconds
    told = None
    while True:
        if job["status"] != told and not quiet:
            told = job["status"]
            typer.echo(f"Resync {job['id']}: {told}")
        if job["status"] in _ENDED or time.monotonic() > deadline:
            return job
        time.sleep(FOLLOW_SECONDS)
        answer = ask(target, "GET", f"/api/v1/jobs/{job['id']}")
        job = answer.get("job", answer)
