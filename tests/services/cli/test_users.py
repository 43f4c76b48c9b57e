"""`lotkeeper user`, `token` and `audit` on a real database, as a person or a program uses them."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.clock import utc_now
from core.passwords import verify_password
from core.sealing import Sealer
from core.second_factor import RECOVERY_CODES, code_of, new_secret, recovery_hash, step_at
from services.api.security.tokens import digest
from tests.services.cli.conftest import Said, Sql

Run = Callable[..., Said]
PASSWORD = "violin harbour lamp 9"
OTHER = "copper meadow train 7"


class Typist(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def lk(lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, url: str, sql: Sql) -> Run:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    sql(
        "INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) VALUES "
        "('U1', false, now(), now()), ('U2', false, now(), now())"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    return lotkeeper


@pytest.fixture
def anna(lk: Run) -> Run:
    assert lk("user", "add", "Anna", "--scope", "sync", "--account", "U1").code == 0
    return lk


def audit(sql: Sql) -> list[tuple[str, str, str]]:
    rows = sql("SELECT kind, action, target FROM audit_log ORDER BY id")
    return [(row["kind"], row["action"], row["target"]) for row in rows]


def test_a_user_is_made_with_a_password_from_standard_input(anna: Run, sql: Sql) -> None:
    (kept,) = sql("SELECT * FROM users")
    assert (kept["name"], kept["scope"], kept["all_accounts"]) == ("anna", "sync", False)
    assert verify_password(kept["password_hash"], PASSWORD)
    listed = anna("user", "list", "--json").data["users"]
    assert [(one["name"], one["scope"], one["accounts"]) for one in listed] == [("anna", "sync", ["U1"])]
    assert "may sign in" in anna("user", "list").out
    assert audit(sql) == [("cli", "user_create", "anna")]


def test_whoever_sits_there_is_asked_twice(lk: Run, monkeypatch: pytest.MonkeyPatch, sql: Sql) -> None:
    monkeypatch.setattr("sys.stdin", Typist())
    typed = iter([PASSWORD, OTHER, PASSWORD, PASSWORD])
    monkeypatch.setattr("services.cli.users.getpass", lambda _prompt: next(typed))
    said = lk("user", "add", "anna", "--all")
    assert (said.code, "two different passwords" in said.err) == (2, True)
    assert sql("SELECT * FROM users") == []
    assert lk("user", "add", "anna", "--all", "--json").data == {
        "user": {"name": "anna", "scope": "read", "accounts": None}
    }


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("owner", "--all"), "not `owner`"),
        (("anna",), "--all"),
        (("anna", "--all", "--account", "U1"), "--all"),
        (("anna", "--account", "U9"), "no account U9"),
        (("anna", "--scope", "root", "--all"), "root"),
    ],
)
def test_what_no_user_can_be_is_refused(lk: Run, sql: Sql, arguments: tuple[str, ...], why: str) -> None:
    said = lk("user", "add", *arguments)
    assert said.code == 2
    assert why in said.err
    assert sql("SELECT * FROM users") == []


def test_a_password_that_is_easily_guessed_is_refused(
    lk: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("password1234\n"))
    said = lk("user", "add", "anna", "--all")
    assert (said.code, "tried first" in said.err) == (2, True)
    assert sql("SELECT * FROM users") == []


def test_a_user_is_changed_disabled_and_removed(anna: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept() -> tuple[object, ...]:
        (row,) = sql("SELECT scope, all_accounts, disabled_at IS NULL AS enabled FROM users")
        accounts = [one["account"] for one in sql("SELECT account FROM user_accounts ORDER BY 1")]
        return (*row.values(), accounts)

    session = (
        "INSERT INTO user_sessions (id_hash, user_id, created_at, expires_at) "
        "SELECT 'x', id, now(), now() + interval '1 day' FROM users"
    )
    assert anna("user", "add", "anna", "--all").code == 2, "there is one already"
    sql(session)
    token = (
        "INSERT INTO api_tokens (name, prefix, secret_hash, scope, all_accounts, user_id, created_at) "
        "SELECT 'x', 'lk_', random()::text, 'read', true, id, now() FROM users"
    )
    sql(token)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{OTHER}\n{OTHER}\n"))
    assert anna("user", "password", "anna", "--keep-tokens").code == 0
    assert len(sql("SELECT * FROM api_tokens")) == 1
    sql(session)
    assert "API tokens revoked: 1" in anna("user", "password", "anna").out
    assert sql("SELECT * FROM api_tokens") == []
    assert verify_password(sql("SELECT password_hash FROM users")[0]["password_hash"], OTHER)
    assert sql("SELECT * FROM user_sessions") == []
    assert anna("user", "scope", "anna", "admin").code == 0
    assert kept() == ("admin", False, True, ["U1"])
    assert anna("user", "accounts", "anna", "U1", "U2").code == 0
    assert kept() == ("admin", False, True, ["U1", "U2"])
    assert anna("user", "accounts", "anna", "U9").code == 2
    assert anna("user", "accounts", "anna", "--all").code == 0
    assert kept() == ("admin", True, True, [])
    sql(session)
    assert anna("user", "disable", "anna").code == 0
    assert kept() == ("admin", True, False, [])
    assert sql("SELECT * FROM user_sessions") == []
    assert anna("user", "enable", "anna").code == 0
    assert kept() == ("admin", True, True, [])
    assert anna("user", "remove", "anna").code == 2, "needs --yes"
    assert anna("user", "remove", "anna", "--yes").code == 0
    assert sql("SELECT * FROM users") == []
    assert [action for _, action, _ in audit(sql)] == [
        "user_create",
        "user_password",
        "user_password",
        "user_change",
        "user_change",
        "user_change",
        "user_change",
        "user_change",
        "user_remove",
    ]
    said = anna("user", "disable", "nobody")
    assert (said.code, "no user nobody" in said.err) == (2, True)


def test_the_setup_token_is_told_until_there_is_a_user(lk: Run, tmp_path: Path) -> None:
    told = lk("user", "setup-token").out.strip()
    file = tmp_path / "home" / "main" / "setup-token"
    assert told == file.read_text().strip()
    assert file.stat().st_mode & 0o777 == 0o600
    assert "There is no user yet" in lk("user", "list").out
    assert lk("user", "add", "anna", "--all").code == 0
    assert not file.exists()
    said = lk("user", "setup-token")
    assert (said.code, said.out, "a user already" in said.err) == (1, "", True)


def test_a_token_is_made_listed_and_revoked(anna: Run, sql: Sql) -> None:
    assert "no token yet" in anna("token", "list").out
    made = anna("token", "create", "grafana", "--account", "U1")
    secret = made.out.strip()
    (kept,) = sql("SELECT * FROM api_tokens")
    assert (kept["secret_hash"], kept["scope"], kept["user_id"]) == (digest(secret), "read", None)
    assert kept["expires_at"] is not None
    told = anna("token", "create", "ci", "--user", "anna", "--scope", "sync", "--days", "0", "--json").data
    assert told["secret"].startswith("lk_")
    assert told["expires_at"] is None
    listed = anna("token", "list", "--json").data["tokens"]
    assert [(one["name"], one["user"], one["accounts"]) for one in listed] == [
        ("ci", "anna", None),
        ("grafana", None, ["U1"]),
    ]
    assert secret not in anna("token", "list").out
    assert anna("token", "revoke", str(kept["id"])).out == "Revoked: grafana.\n"
    assert anna("token", "revoke", str(kept["id"])).code == 2
    assert anna("token", "create", "x", "--user", "nobody").code == 2
    assert anna("token", "create", "x", "--account", "U9").code == 2
    assert anna("token", "create", "a\nb").code == 2
    assert [action for _, action, _ in audit(sql)] == [
        "user_create",
        "token_create",
        "token_create",
        "token_revoke",
    ]


def test_the_log_is_shown_to_people_and_programs(lk: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Nothing is written" in lk("audit").out
    monkeypatch.setattr("getpass.getuser", lambda: "carl")
    assert lk("user", "add", "anna", "--all").code == 0
    told = lk("audit", "--json", "--actor", "carl", "--action", "user_create").data["entries"]
    assert [(one["actor"], one["kind"], one["target"]) for one in told] == [("carl", "cli", "anna")]
    shown = lk("audit").out
    assert all(word in shown for word in ("carl", "user_create", "anna", "ok"))
    assert lk("audit", "--json", "--action", "sign_in").data == {"entries": []}

    def nameless() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nameless)
    assert lk("token", "create", "x").code == 0
    assert lk("audit", "--json", "--limit", "1").data["entries"][0]["actor"] == "unknown"


def test_a_second_factor_is_set_up_with_a_code_and_removed(
    anna: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = new_secret()
    monkeypatch.setattr("services.cli.second_factor.new_secret", lambda: secret)
    session = (
        "INSERT INTO user_sessions (id_hash, user_id, created_at, expires_at) "
        "SELECT 'x', id, now(), now() + interval '1 day' FROM users"
    )

    def typed(code: str) -> Said:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{code}\n"))
        return anna("user", "second-factor", "Anna", "--json")

    wrong = typed("000 000")
    assert (wrong.code, "Check the clocks" in wrong.err) == (2, True)
    assert sql("SELECT * FROM second_factors") == []
    sql(session)
    said = typed(code_of(secret, step_at(utc_now())))
    assert said.code == 0, said.err
    assert secret in said.err
    (kept,) = sql("SELECT secret, proved_at IS NOT NULL AS proved, last_step > 0 AS used FROM second_factors")
    assert (kept["proved"], kept["used"], secret in kept["secret"]) == (True, True, False)
    (number,) = sql("SELECT id FROM users")
    [key] = Path(os.environ["LOTKEEPER_HOME"]).rglob("second-factor-key")
    assert Sealer(key.read_text().strip()).open(kept["secret"], str(number["id"])) == secret
    hashes = {row["code_hash"] for row in sql("SELECT code_hash FROM recovery_codes")}
    assert {recovery_hash(code) for code in said.data["recovery_codes"]} == hashes
    assert sql("SELECT * FROM user_sessions") == []
    assert [one["second_factor"] for one in anna("user", "list", "--json").data["users"]] == [True]
    again = typed("000000")
    assert (again.code, "--remove" in again.err) == (2, True)
    sql(session)
    assert anna("user", "second-factor", "anna", "--remove").code == 0
    assert sql("SELECT * FROM second_factors") == sql("SELECT * FROM recovery_codes") == []
    assert sql("SELECT * FROM user_sessions") == []
    assert anna("user", "second-factor", "anna", "--remove").code == 2
    assert anna("user", "second-factor", "nobody", "--remove").code == 2
    assert [action for _, action, _ in audit(sql)[1:]] == ["second_factor_set", "second_factor_remove"]


def test_no_second_factor_is_sealed_with_a_key_that_the_api_has_not(
    anna: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = new_secret()
    monkeypatch.setattr("services.cli.second_factor.new_secret", lambda: secret)
    sealed = Sealer("that of the API").seal(secret, "1")
    key = Path(os.environ["LOTKEEPER_HOME"]) / "main" / "second-factor-key"
    key.parent.mkdir(parents=True, exist_ok=True)
    sql(f"INSERT INTO second_factors (user_id, secret, begun_at) SELECT id, '{sealed}', now() FROM users")  # noqa: S608 - ours
    for kept, said in (("", "is not in the file "), ("another", "is not the one that sealed")):
        key.write_text(kept)
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{code_of(secret, step_at(utc_now()))}\n"))
        refused = anna("user", "second-factor", "anna")
        assert (refused.code, said in refused.err, str(key) in refused.err) == (2, True, True)
        assert [row["secret"] for row in sql("SELECT secret FROM second_factors")] == [sealed]


def test_the_recovery_codes_are_printed_for_people_as_well(
    anna: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = new_secret()
    monkeypatch.setattr("services.cli.second_factor.new_secret", lambda: secret)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{code_of(secret, step_at(utc_now()))}\n"))
    lines = anna("user", "second-factor", "anna").out.splitlines()
    assert len([line for line in lines if line.startswith("  ")]) == RECOVERY_CODES
