"""OpenAPI 3.1 out of the types of the contract themselves, with an example for each answer."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.api.layers.described import describe_layers
from services.api.problems import MEDIA_TYPE, TITLES, TYPE_PREFIX
from services.api.schemas.access import (
    AuditPage,
    FactorBegin,
    FactorBegun,
    FactorProof,
    FactorRemoval,
    NewPassword,
    NewToken,
    NewUser,
    RecoveryCodes,
    TokenMade,
    TokenPage,
    User,
    UserChange,
    UserPage,
)
from services.api.schemas.accounts import Account, AccountChange, AccountPage, Summary
from services.api.schemas.alerts import AlertPage
from services.api.schemas.allocation import Allocation
from services.api.schemas.attribution import Attribution
from services.api.schemas.cash import CashBalancePage, CashFlowPage, CurrencyRatePage
from services.api.schemas.common import Problem, example_of
from services.api.schemas.comparison import MethodComparison
from services.api.schemas.dead import DeadFactDetail, DeadFactPage
from services.api.schemas.examples import EXAMPLES
from services.api.schemas.executions import ExecutionPage
from services.api.schemas.groups import AccountGroupList, BenchmarkList
from services.api.schemas.imports import ImportDetail, ImportPage, StatementDifferencePage
from services.api.schemas.instruments import InstrumentDetail, InstrumentPage
from services.api.schemas.issues import Acknowledgement, IssueDetail, IssuePage, RulePage
from services.api.schemas.jobs import JobPage
from services.api.schemas.lots import LotPage
from services.api.schemas.measures import Measures
from services.api.schemas.meta import Meta
from services.api.schemas.notes import (
    NoteText,
    PositionNote,
    PositionNotePage,
    PositionTags,
    TagPage,
    TagText,
)
from services.api.schemas.performance import PerformancePage
from services.api.schemas.portfolio import Calendar, Drawdowns, PortfolioHistory, PortfolioSummary
from services.api.schemas.positions import Position, PositionDetail, PositionEventPage, PositionPage
from services.api.schemas.prices import PositionPrices
from services.api.schemas.realized import RealizedDifferencePage, RealizedPage
from services.api.schemas.reconciliations import (
    DifferenceAcknowledgement,
    DifferenceDetail,
    DifferencePage,
    ReconciliationPage,
)
from services.api.schemas.session import Credentials, FirstUser, SessionInfo, SessionPage, SetupState
from services.api.schemas.settings import SettingsReport
from services.api.schemas.snapshots import (
    SnapshotDetail,
    SnapshotGapPage,
    SnapshotPage,
    SnapshotRunPage,
)
from services.api.schemas.statements import StatementCoveragePage, StatementPage
from services.api.schemas.statistics import StatisticsPage
from services.api.schemas.sync import JobAnswer, SyncHistory, SyncReport
from services.api.schemas.validation import Validation
from services.api.schemas.valuation import ValuationReport
from services.api.security.permissions import PUBLIC

Responses = dict[int | str, dict[str, Any]]

ROOTS = (
    Account,
    AccountChange,
    AccountGroupList,
    AccountPage,
    Acknowledgement,
    AlertPage,
    Allocation,
    Attribution,
    AuditPage,
    BenchmarkList,
    Calendar,
    CashBalancePage,
    CashFlowPage,
    Credentials,
    CurrencyRatePage,
    DeadFactDetail,
    DeadFactPage,
    DifferenceAcknowledgement,
    DifferenceDetail,
    DifferencePage,
    Drawdowns,
    ExecutionPage,
    FactorBegin,
    FactorBegun,
    FactorProof,
    FactorRemoval,
    FirstUser,
    ImportDetail,
    ImportPage,
    InstrumentDetail,
    InstrumentPage,
    IssueDetail,
    IssuePage,
    JobAnswer,
    JobPage,
    LotPage,
    Measures,
    Meta,
    MethodComparison,
    NewPassword,
    NewToken,
    NewUser,
    NoteText,
    PerformancePage,
    PortfolioHistory,
    PortfolioSummary,
    Position,
    PositionDetail,
    PositionEventPage,
    PositionNote,
    PositionNotePage,
    PositionPage,
    PositionPrices,
    PositionTags,
    Problem,
    RealizedDifferencePage,
    RealizedPage,
    ReconciliationPage,
    RecoveryCodes,
    RulePage,
    SessionInfo,
    SessionPage,
    SettingsReport,
    SetupState,
    SnapshotDetail,
    SnapshotGapPage,
    SnapshotPage,
    SnapshotRunPage,
    StatementCoveragePage,
    StatementDifferencePage,
    StatementPage,
    StatisticsPage,
    Summary,
    SyncHistory,
    SyncReport,
    TagPage,
    TagText,
    TokenMade,
    TokenPage,
    User,
    UserChange,
    UserPage,
    Validation,
    ValuationReport,
)
REF = "#/components/schemas/{name}"
JSON = "application/json"
_BY_NAME = {root.__name__: root for root in ROOTS}

_CODES = {
    400: "cursor_invalid",
    401: "unauthorized",
    403: "scope_needed",
    404: "not_found",
    408: "file_stalled",
    409: "nothing_between",
    413: "file_too_large",
    421: "host_not_allowed",
    422: "validation_failed",
    429: "too_many_attempts",
    503: "database_unavailable",
}


def _content(schema: type[msgspec.Struct]) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": {"$ref": REF.format(name=schema.__name__)}}
    if schema in EXAMPLES:
        media["example"] = example_of(EXAMPLES[schema])
    return {JSON: media}


def _problem(status: int, code: str = "") -> dict[str, Any]:
    code = code or _CODES[status]
    example = Problem(type=TYPE_PREFIX + code, title=TITLES[code], status=status, detail="…", code=code)
    media = {"schema": {"$ref": REF.format(name="Problem")}, "example": example_of(example)}
    return {"description": TITLES[code], "content": {MEDIA_TYPE: media}}


def answers(schema: type[msgspec.Struct] | None, *problems: int, status: int = 200) -> Responses:
    """What a route answers: its type, and the problems beyond those that any route may have."""
    right: dict[str, Any] = {"description": "As asked"}
    if schema is not None:
        right["content"] = _content(schema)
    common = (401, 403, 421, 422, 429, 503)
    listed: Responses = {status: right}
    listed.update((each, _problem(each)) for each in sorted({*common, *problems}))
    return listed


def answer_type(route: Any) -> type[msgspec.Struct] | None:
    """The type of what a route answers when all is well, if it is one of the contract's."""
    content = (getattr(route, "responses", None) or {}).get(HTTPStatus.OK, {}).get("content", {})
    reference = content.get(JSON, {}).get("schema", {}).get("$ref", "")
    return _BY_NAME.get(reference.rpartition("/")[2])


def takes(schema: type[msgspec.Struct], *, required: bool = True) -> dict[str, Any]:
    """The body that a route reads by itself."""
    return {"requestBody": {"required": required, "content": _content(schema)}}


def document(app: FastAPI, version: str) -> dict[str, Any]:
    """The OpenAPI document."""
    described = get_openapi(
        title="Lotkeeper",
        version=version,
        openapi_version="3.1.0",
        summary="An Interactive Brokers portfolio in its owner's own database, also when IBKR is offline.",
        routes=app.routes,
    )
    _, schemas = msgspec.json.schema_components(ROOTS, ref_template=REF)
    components = described.setdefault("components", {})
    # FastAPI adds its own validation error, which we never send.
    components["schemas"] = dict(sorted(schemas.items()))
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "lotkeeper_session_8321"},
    }
    described["security"] = [{"bearer": []}, {"session": []}]
    describe_layers(described, _problem(409, "request_in_progress"))
    for route in PUBLIC:
        method, path = route.split()
        if method != "WEBSOCKET":
            described["paths"][path][method.lower()]["security"] = []
    return described
