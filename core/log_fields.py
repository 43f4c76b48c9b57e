"""What lines of the log are made of: fields that mean the same wherever they stand, and ends of work."""

from typing import Final, NamedTuple


class Field(NamedTuple):
    """A field with one meaning in every line that has it; ``of`` is its JSON type, with its unit."""

    name: str
    of: str
    meaning: str


class Ending(NamedTuple):
    """An event that ends a piece of work: it has ``duration_ms``, and each of ``counts``."""

    event: str
    service: str
    level: str
    counts: tuple[str, ...]
    meaning: str


FIELDS: Final = (
    Field("timestamp", "string, UTC", "when it was logged"),
    Field("level", "string", "`debug`, `info`, `warning`, `error`"),
    Field("service", "string", "the process: `api`, `broker`, `worker`, `simulator`, `cli`, `stack`"),
    Field("event", "string", "what happened, in snake_case; of `stack`, PostgreSQL and Redis a sentence"),
    Field("correlation_id", "string", "one for all that one thing caused, in every process"),
    Field("request_id", "string", "the client's own `X-Request-Id`, where it sent one"),
    Field("job", "string", "a job's id, as `lotkeeper jobs` and the API have it"),
    Field("duration_ms", "number, milliseconds", "how long the work took that ends here"),
    Field("rows", "number", "rows that were written or read by it"),
    Field("facts", "number", "facts of the broker that were told or applied by it"),
    Field("reason", "string", "why, in words"),
    Field("error", "string", "the class of what was raised"),
    Field("exception", "list or string", "where it was raised, without any value of a variable"),
)

ENDINGS: Final = (
    Ending("request_answered", "api", "info, reading debug", (), "a request, whoever sent it"),
    Ending(
        "job_ended",
        "worker",
        "info",
        (),
        "a job that somebody asked for, with its `kind` and whether it is `ok`",
    ),
    Ending("facts_committed", "worker", "debug", ("facts",), "one transaction of a batch of facts"),
    Ending("work_done", "worker", "debug", (), "what is due again and again: a comparison, a sweep"),
    Ending("rules_checked", "worker", "info", ("rows",), "all rules, with as many findings"),
    Ending("snapshot_taken", "worker", "info", ("rows",), "a snapshot, with as many positions"),
    Ending("snapshot_taken_again", "worker", "info", ("rows",), "the first one after failures"),
    Ending("snapshot_incomplete", "worker", "warning", ("rows",), "a snapshot that lacks accounts"),
    Ending("snapshots_thinned", "worker", "info", ("rows",), "a month of which less is kept"),
    Ending("statement_imported", "worker", "info", ("rows",), "a statement, with as many rows taken from it"),
    Ending("statement_taken_back", "worker", "info", ("rows",), "an import, with as many books changed"),
    Ending("flex_fetched", "worker", "info", (), "a statement that came from IBKR, imported"),
    Ending("backup_taken", "worker, cli", "info", ("rows",), "a backup, with all that is in it"),
    Ending(
        "backup_restored_on_trial", "worker", "info", ("rows",), "a restore beside, compared with its archive"
    ),
    Ending("resync_complete", "broker", "info", ("facts",), "everything was compared with the broker"),
    Ending("resync_incomplete", "broker", "warning", ("facts",), "the same, with what failed as `reasons`"),
    Ending("exported", "cli", "info", ("rows",), "an export, in all its files"),
    Ending("restored", "cli", "info", ("rows",), "a restore in the database's place"),
    Ending("migrated", "cli", "info", (), "a database that has another schema now, `before` and `after`"),
)
