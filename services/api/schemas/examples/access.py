from types import MappingProxyType

from msgspec import Struct

from services.api.schemas.access import (
    AuditEntry,
    AuditPage,
    FactorBegin,
    FactorBegun,
    FactorProof,
    FactorRemoval,
    NewPassword,
    NewToken,
    NewUser,
    RecoveryCodes,
    Token,
    TokenMade,
    TokenPage,
    User,
    UserChange,
    UserPage,
)
from services.api.schemas.examples.common import AT, OPENED
from services.api.schemas.session import (
    Credentials,
    FirstUser,
    OpenSession,
    SessionInfo,
    SessionPage,
    SetupState,
)

_USER = User(
    name="anna",
    scope="read",
    accounts=("U1111111",),
    created_at=OPENED,
    password_changed_at=OPENED,
    disabled_at=None,
    second_factor=True,
)
_TOKEN = Token(
    id=7,
    name="grafana",
    prefix="lk_9dQ2xW",
    scope="read",
    accounts=None,
    user="anna",
    created_at=OPENED,
    expires_at=AT,
    last_used_at=OPENED,
)
_SESSION = OpenSession(
    id=3,
    name="anna",
    kind="user",
    current=True,
    address="127.0.0.1",
    created_at=OPENED,
    last_seen_at=AT,
    expires_at=AT,
)
_ENTRY = AuditEntry(
    id=12,
    at=AT,
    actor="anna",
    kind="user",
    action="sign_in",
    target="",
    address="127.0.0.1",
    outcome="ok",
    request_id="",
)
_SECRET = "lk_9dQ2xW…"  # noqa: S105 - an example
_PASSWORD = "violin harbour lamp 9"  # noqa: S105 - an example
_CODE = "492039"

EXAMPLES: MappingProxyType[type[Struct], Struct] = MappingProxyType(
    {
        AuditPage: AuditPage(items=(_ENTRY,), next_cursor=None),
        Credentials: Credentials(name="anna", password=_PASSWORD, code=_CODE),
        FactorBegin: FactorBegin(current_password=_PASSWORD),
        FactorBegun: FactorBegun(
            secret="JBSWY3DPEHPK3PXP",  # noqa: S106 - an example
            address="otpauth://totp/Lotkeeper%20main:anna?secret=JBSWY3DPEHPK3PXP&issuer=Lotkeeper%20main",
        ),
        FactorProof: FactorProof(code=_CODE),
        FactorRemoval: FactorRemoval(current_password=_PASSWORD, code=_CODE),
        FirstUser: FirstUser(setup_token=_SECRET, name="anna", password=_PASSWORD),
        NewPassword: NewPassword(new_password=_PASSWORD, current_password=_PASSWORD),
        NewToken: NewToken(name="grafana", scope="read", days=90),
        NewUser: NewUser(name="anna", password=_PASSWORD, scope="read", accounts=("U1111111",)),
        RecoveryCodes: RecoveryCodes(codes=("mzxw6y-tboi5d-rm4tq3-2xk7vn",)),
        SessionInfo: SessionInfo(
            authenticated=True,
            profile="main",
            version="0.1.0",
            name="anna",
            kind="user",
            scope="read",
            accounts=("U1111111",),
        ),
        SessionPage: SessionPage(items=(_SESSION,), next_cursor=None),
        SetupState: SetupState(needed=False),
        TokenMade: TokenMade(secret=_SECRET, token=_TOKEN),
        TokenPage: TokenPage(items=(_TOKEN,), next_cursor=None),
        User: _USER,
        UserChange: UserChange(scope="sync"),
        UserPage: UserPage(items=(_USER,), next_cursor=None),
    }
)
