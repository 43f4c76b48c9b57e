"""The reference of the log says what is declared of it. ``UPDATE_DOCS=1`` writes it anew."""

import os
from pathlib import Path

from core.log_fields import ENDINGS, FIELDS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "log.md"
HEAD = """# The log

One line an event; with `LOTKEEPER_LOG_FORMAT=json` each is a JSON object, also of what PostgreSQL, Redis and
the supervisor say. [Watching](../watching.md#reading-the-log) tells how to read it. Events are named in
snake_case and may have details of their own; these fields mean the same wherever they stand:

| field | type | meaning |
|---|---|---|
"""
MIDDLE = """
## One id for what one thing caused

`correlation_id` is the same in every line of that, in every process:

- of a request it is the request's own id, and of a job that it begins the job's, which are the same:
  `X-Request-Id` of the answer, `request_id` of a problem and the job's `id`. A client that sends an
  `X-Request-Id` gets that back, and it stands beside as `request_id`, since clients repeat theirs;
- of a resync that somebody asked for it is that job's in the broker link, too;
- of a batch of facts it is `batch-` and the id of its first stream entry: the same when it comes again;
- whatever is done by the clock, and each command, has a new one each time. So has a comparison, which
  several things may have asked for;
- without one are lines about a process as a whole: that it starts, or that a store is away.

## What ends a piece of work

These have `duration_ms`, by a clock that nobody sets, and counts. Of a resync's `job_ended` the duration is
that which the broker link told. Commands (`cli`) log to standard error; without JSON only warnings, since
they tell people themselves.

| event | process | level | counts | of what |
|---|---|---|---|---|
"""


def page() -> str:
    fields = [f"| `{one.name}` | {one.of} | {one.meaning} |" for one in FIELDS]
    endings = [
        f"| `{one.event}` | {one.service} | {one.level} | "
        f"{', '.join(f'`{count}`' for count in one.counts)} | {one.meaning} |"
        for one in ENDINGS
    ]
    return HEAD + "\n".join(fields) + "\n" + MIDDLE + "\n".join(endings) + "\n"


def test_the_page_lists_every_field_and_every_ending() -> None:
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page(), "run `UPDATE_DOCS=1 pytest tests/docs`"
