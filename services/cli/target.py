"""Which Lotkeeper a command talks to: the one of the settings, or the stack that runs on this machine."""

import contextlib
import http.client
import json
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from core.errors import LotkeeperError
from core.exposure import api_url, trusting
from core.settings import Profile, Settings, load_settings
from services.stack.runtime import Runtime, running_stacks

ANSWER_SECONDS = 15.0


class ApiDownError(LotkeeperError):
    """Nothing answers at the API's address."""

    code = "api_down"
    exit_code = 3


class ApiRefusedError(LotkeeperError):
    """The API answered, but not with what was asked for."""

    code = "api_refused"
    exit_code: ClassVar[int] = 1


@dataclass(frozen=True)
class Target:
    """Where the API is, how to be let in, and the stack behind it where it runs on this machine."""

    url: str
    token: str | None
    settings: Settings
    runtime: Runtime | None


def find_target(profile: Profile | None) -> Target:
    """The running stack of this home (``main`` first); without one, what the settings say."""
    settings = load_settings() if profile is None else load_settings(profile=profile)
    runtime = running_stack(settings, profile)
    if runtime is None:
        return Target(api_url(settings), _token(settings, settings.token_file), settings, None)
    token_file = Path(runtime.token_file) if runtime.token_file else settings.token_file
    return Target(runtime.api_url, _token(settings, token_file), settings, runtime)


def running_stack(settings: Settings, profile: Profile | None) -> Runtime | None:
    """The stack of this home that runs; of the asked or set profile where one was named."""
    wanted = profile or (settings.profile if "profile" in settings.model_fields_set else None)
    stacks = [stack for stack in running_stacks(settings.home) if wanted in {None, stack.profile}]
    return stacks[0] if stacks else None


def _token(settings: Settings, path: Path) -> str | None:
    if settings.api_token is not None:
        return settings.api_token.get_secret_value()
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8").strip() or None
    return None


def ask(target: Target, method: str, path: str) -> dict[str, Any]:
    """One request; the JSON of its answer.

    Raises:
        ApiDownError: nothing answers.
        ApiRefusedError: it answers with an error; the sentence is the API's own.
    """
    connection = _connection(target)
    headers = {"Accept": "application/json"}
    if target.token:
        headers["Authorization"] = f"Bearer {target.token}"
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or error.__class__.__name__
        raise ApiDownError(f"The API at {target.url} is down: {reason}. {_remedy(target)}") from None
    finally:
        connection.close()
    return _understood(target, answer.status, body)


def _connection(target: Target) -> http.client.HTTPConnection:
    parts = urlsplit(target.url)
    tls = trusting(target.url, target.settings.api_tls_cert)
    host, port = parts.hostname or "", parts.port
    if tls is None:
        return http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    return http.client.HTTPSConnection(host, port, timeout=ANSWER_SECONDS, context=tls)


def _remedy(target: Target) -> str:
    if target.runtime is None:
        return "Start it with `lotkeeper up`."
    return f"Its stack is running, so it is starting or in trouble: see {target.runtime.log_file}."


def _understood(target: Target, status: int, body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if status == HTTPStatus.UNAUTHORIZED:
        raise ApiRefusedError(
            f"The API at {target.url} refused the token. Set LOTKEEPER_API_TOKEN, or run this as the user "
            f"who owns {target.settings.token_file}."
        )
    if not isinstance(content, dict):
        raise ApiRefusedError(f"What answers at {target.url} (HTTP {status}) is not Lotkeeper's API.")
    if status >= HTTPStatus.BAD_REQUEST:
        detail = content.get("detail") or content.get("title") or f"HTTP {status}"
        raise ApiRefusedError(f"The API at {target.url} says: {detail}")
    return content
