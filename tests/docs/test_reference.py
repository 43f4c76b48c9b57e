"""The reference pages say what the code says. ``UPDATE_DOCS=1`` writes them anew."""

import os
import re
from pathlib import Path

from pydantic_core import PydanticUndefined

from core.settings import PREFIX, Settings, load_settings
from services.api.app import create_app

ROOT = Path(__file__).parents[2]
SETTINGS_HEAD = """# Settings

Read from the environment, from `.env` in the current folder, or from a file that
`LOTKEEPER_<NAME>_FILE` names (for secrets). A wrong value is one sentence that names the variable, and
exit code 6; an empty variable counts as unset. Nothing is read after the start.

| variable | default | meaning |
|---|---|---|
"""


API_HEAD = """# The API

Base `/api/v1`, JSON, OpenAPI 3.1 at `/openapi.json`. `Authorization: Bearer <token>`, or the page's session
cookie; public without either: `/livez`, `/readyz` and the static page. Errors are `application/problem+json`
(RFC 9457) with a stable `code`. Decimals are strings, times UTC with `Z`. Lists are
`{"items", "next_cursor", "freshness"}` with `?limit=` (at most 500) and `?cursor=`.

| | | |
|---|---|---|
"""
API_TAIL = """
Two statements are taken in at a time: while that many are being handed in, `POST /api/v1/imports` answers 429
(`too_many_files`) with `Retry-After`. One of which nothing comes for a minute is given up (408,
`file_stalled`), and after a minute one that comes with less than 16 KiB a second on average (408,
`file_too_slow`).

## Freshness

Every answer and every WebSocket message about data carries

```json
{"source": "live | delayed | last_known", "as_of": "…Z", "received_at": "…Z", "age_seconds": 3,
 "stale": false, "reason": null, "links": {"gateway": "up", "ibkr": "up"}}
```

`source` is `live` only while the links are up, the download is complete and the value is younger than its
cadence allows. `reason` says why it is not: `not_yet_synced`, `broker_link_down`, `gateway_unreachable`,
`gateway_not_answering`, `gateway_silent`, `ib_1100`, `data_stale`, `needs_login`, `client_id_in_use`,
`fenced`, `no_room`, `stream_down`, `worker_down`, `incomplete` or `old`; or `as_of`, of an answer about a
moment that has passed, or `statement`, of what only statements tell, or
`snapshot`, of what was kept hour by hour, or `check`, of what the rules found when they were last looked at.

The broker link itself is in one `state`, told in `links.state` of `GET /api/v1/sync` and in the WebSocket's
`status`: `disconnected`, `connecting`, `syncing` (comparing everything with the broker), `live`, `degraded`
(the gateway has lost IBKR, tells nothing, or has to wait), `needs_login`, `fenced` (another link has the
login); null while the link says nothing.

## WebSocket `/api/v1/stream`

Signed in by the session cookie (with an Origin check) or by a first message `{"type": "auth", "token": "…"}`;
never by a token in the URL. Then

```json
{"type": "subscribe", "topics": [{"topic": "positions", "epoch": "…", "after_seq": 41}, {"topic": "summary"}]}
```

(`epoch` and `after_seq` only to resume.) The server sends `hello`, `snapshot {topic, epoch, seq, data}`,
`delta {topic, epoch, seq, prev_seq, ops: [{op: "upsert"|"delete", key, value}]}`, `resumed {after_seq,
replayed}`, `reset {reason}`, `heartbeat {seqs}` every 5 seconds, `status {links, state, freshness}`, `error`
and `bye {retry_after_ms}`. Keys are the position's id and the account (`ALL` for their sum); values are the
rows of REST. Numbers go up by one per topic and epoch; a gap, a new epoch or a heartbeat ahead means:
subscribe again. A client that cannot keep up gets `reset`.
"""


def api_page() -> str:
    app = create_app(
        load_settings(
            database_url="postgresql://nobody@127.0.0.1/none",
            redis_url="redis://127.0.0.1/0",
            api_token="x" * 32,
        )
    )
    rows = [
        f"| `{method.upper()} {path}` | {about['summary']} | {about['description'].split(chr(10))[0]} |"
        for path, methods in app.openapi()["paths"].items()
        for method, about in methods.items()
    ]
    return API_HEAD + "\n".join(rows) + "\n" + API_TAIL


def test_the_api_page_lists_every_route() -> None:
    path = ROOT / "docs" / "reference" / "api.md"
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(api_page(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == api_page(), "run `UPDATE_DOCS=1 pytest tests/docs`"


def test_every_link_of_the_docs_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def settings_page() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        if default is PydanticUndefined:
            shown = "the platform's user data folder"
        elif default is None:
            shown = ""
        else:
            shown = f"`{default}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description or ''} |")
    return SETTINGS_HEAD + "\n".join(rows) + "\n"


def test_the_settings_page_lists_every_setting() -> None:
    path = ROOT / "docs" / "reference" / "settings.md"
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(settings_page(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == settings_page(), "run `UPDATE_DOCS=1 pytest tests/docs`"


def test_every_setting_is_explained() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
