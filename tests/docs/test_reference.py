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
cookie; public without either: `/livez`, `/readyz`, signing in, making the first user, and the static page.
`GET` needs the scope `read`, asking for work `sync`, users and the audit log `admin`
([who may do what](../security.md)); 403 `scope_needed` says which one is missing, and 429 with `Retry-After`
that there were too many requests. Errors are `application/problem+json` (RFC 9457) with a stable `code`;
[each has its section](problems.md). Decimals are strings, times UTC with `Z`. Lists are
`{"items", "next_cursor", "freshness"}` with `?limit=` (at most 500) and `?cursor=`. The contract of this
version is [openapi.json](openapi.json); what it has ever taken back stands in
[api-changes.md](api-changes.md). From Python it is read best with [`lotkeeper_client`](client.md).

| | | |
|---|---|---|
"""
API_TAIL = """
## Whole lists as files

Every list can be had whole as CSV, NDJSON or Parquet: end its address in `.csv`, `.ndjson` or `.parquet`
(`/api/v1/executions.csv?account=U1234567&from=2026-01-01T00:00:00Z`), or ask with `Accept: text/csv`,
`application/x-ndjson` or `application/vnd.apache.parquet`. What the list can be asked is the same, but for
`limit` and `cursor`. Rows are sent as they are read, page by page, each page as of its own moment, and no
faster than they are taken.

- The columns are those of a row. Parts of a row are columns of both names (`freshness_source`); lists and
  maps within a row are JSON text. An empty list has its columns, too.
- Decimals are text, every digit kept, in Parquet as well: no fixed scale holds them all. Each Parquet
  column tells its kind in its metadata (`lotkeeper.kind`: `amount` is a decimal), so `CAST(price AS
  DECIMAL(38, 10))` in DuckDB or `pl.col("price").cast(pl.Decimal)` in Polars is safe where such a scale is
  enough. Times are `timestamp[us, UTC]` in Parquet, else ISO 8601 with `Z`.
- In CSV what is not known is empty. A text that begins with `=`, `+`, `-`, `@`, a tab or a line's end has a
  `'` before it, so that no spreadsheet takes it for a formula; numbers stay numbers. NDJSON has each row
  exactly as the page of JSON has it.
- The freshness of the list, as of its first page, is in the headers `Lotkeeper-Freshness-Source`, `-As-Of`,
  `-Received-At`, `-Age-Seconds`, `-Stale` and `-Reason`; what is not known is left out.
- When something fails on the way, the connection is cut before its end, which every HTTP client reports;
  the last line of NDJSON is `{"error": …}` then, and Parquet without its footer is no file.

## Asking again

History has an `ETag`: all of the API but accounts, open positions, `sync` and `session`, which move all the
time. Sent back as `If-None-Match` it is answered with 304 and no body while the content is the same. It is
a weak one, for two answers with the same may differ in when their freshness was told, which a 304 tells in
the headers above. Answers are never for a cache of the browser's (`no-store`): whoever wants to ask again
keeps them. `HEAD` works wherever `GET` does.

A `POST` with an `Idempotency-Key` (1 to 255 visible characters, such as a UUID) can be sent again: within a
day the same request with the same key has the very same answer, with `Idempotency-Replayed: true`, and no
second effect. While the first is not finished it is answered with 409 (`request_in_progress`) and
`Retry-After`; another request with the same key with 422 (`idempotency_key_reused`). After a refusal the
key is free again. If the server dies between the effect and the answer, the key can be used again after
half a minute, and the job that was begun is found, not begun twice. An answer that shows what is shown only
once is not kept (409, `answer_not_kept`).

## On the line

Text of more than a KiB is sent by Brotli or gzip to who accepts it (`Accept-Encoding`), but for answers
that show secrets. Every answer has an `X-Request-Id`: the client's own, if it is 8 to 64 letters, digits,
dots, dashes or underscores, else one made for it, which is then also the id of the job that the request
begins. It stands in problem documents as `request_id`, and [every line of the log](log.md) about the request
or its job has it.

No answer grows without end. Lists come in pages; those that do not are of the accounts of one login, the
rules of this version, or one row a currency. Of what stands within an answer, `sync` tells the newest 100
gaps and the newest 20 jobs and errors; a page of lots or of closings ends before it has more than 4,000
disposals; a snapshot and a valuation have what their accounts held.

## Taking in statements

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
`snapshot`, of what was kept hour by hour, or `check`, of what the rules found when they were last looked at;
or `own_record`, of what is no word of the broker's but our own, and was read just now: jobs, settings, what
was set aside. That is never live and never stale.

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
and `bye {retry_after_ms}`. `/asyncapi.json` (AsyncAPI 3.0, on file as `docs/reference/asyncapi.json`)
describes every message. Values are the rows of REST:

| topic | key | rows |
|---|---|---|
| `positions` | position id | the open positions |
| `summary` | account, `ALL` | what each account is worth, and all together |
| `executions` | `exec_id` | the newest 500, as `GET /api/v1/executions` lists them |
| `sync` | `links`, `dataset/…`, `stream/…`, `outbox`, `jobs_due` | parts of `GET /api/v1/sync` |
| `jobs` | job id | the newest 20 |

A `delete` says that the topic does not show a key any more: the position is closed, the execution was
replaced or cancelled, or is not among the newest.

Numbers go up by one per topic and epoch; a gap, a new epoch or a heartbeat ahead means: subscribe again.
Changes are gathered for `LOTKEEPER_STREAM_CONFLATE_MS` before they get a number. The last 1,024 frames of a
topic, or 8 MB of them, can be resumed from; whoever was away for longer gets `reset` and a snapshot, and so
does a client that cannot keep up.

API processes of one version on one Redis give the same epochs and numbers, so that a client may come back to
any of them. One of them numbers; when it ends or stands still another goes on within three seconds, with the
next number. While Redis is away each numbers for itself, and clients get `reset` where they cannot resume.

## Server-sent events `/api/v1/stream/events`

The same messages for a script that only reads: `?topics=positions,summary`, one message an event, heartbeats
as comments. Each event's `id` says where every topic stands; sent back as `Last-Event-ID` (browsers do so by
themselves) it resumes.

```sh
curl -N -H "Authorization: Bearer $TOKEN" "http://127.0.0.1:8321/api/v1/stream/events?topics=executions"
```
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
