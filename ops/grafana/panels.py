"""Panels of ours, made with Grafana's own builders: one look, and a unit that fits what is asked for."""

from typing import Final, TypeVar

from grafana_foundation_sdk.builders.common import VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, Row, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as StatPanel
from grafana_foundation_sdk.builders.table import Panel as TablePanel
from grafana_foundation_sdk.builders.timeseries import Panel as LinesPanel
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

_Panel = TypeVar("_Panel", LinesPanel, StatPanel)

SECONDS: Final = "s"
BYTES: Final = "bytes"
SHARE: Final = "percentunit"
NUMBER: Final = "short"
A_SECOND: Final = "cps"
MONEY: Final = "locale"
YES: Final = "bool_yes_no"

COLUMNS: Final = 24
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: tuple[str, str],
    width: int = 12,
    most: float | None = None,
) -> LinesPanel:
    """Lines over time."""
    panel = (
        LinesPanel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(SOURCE)
        .span(width)
        .height(8)
        .fill_opacity(8)
        .line_width(1)
        .min(0)
        .legend(
            VizLegendOptions()
            .show_legend(True)
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .calcs([])
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    if most is not None:
        panel = panel.max(most)
    return _asking(panel, queries)


def signed(title: str, description: str, unit: str, *queries: tuple[str, str], width: int = 12) -> LinesPanel:
    """Lines of what may be below zero."""
    panel = lines(title, description, unit, *queries, width=width)
    panel._internal.field_config.defaults.min_val = None  # noqa: SLF001 - the builder cannot take it back
    return panel


def number(
    title: str,
    description: str,
    unit: str,
    *queries: tuple[str, str],
    width: int = 4,
    warn: float | None = None,
    alarm: float | None = None,
) -> StatPanel:
    """The newest figure, green until ``warn``, orange until ``alarm``, then red. Unknown is said to be so."""
    steps = [Threshold(value=None, color="green")]
    steps += [Threshold(value=warn, color="orange")] if warn is not None else []
    steps += [Threshold(value=alarm, color="red")] if alarm is not None else []
    panel = (
        StatPanel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(SOURCE)
        .span(width)
        .height(5)
        .no_value("unknown")
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    )
    # Of now: what was last known is no answer to what is.
    return _asking(panel, queries, instant=True)


def flag(title: str, description: str, *queries: tuple[str, str], width: int = 4) -> StatPanel:
    """Yes in green, no in red."""
    panel = number(title, description, YES, *queries, width=width)
    steps = [Threshold(value=None, color="red"), Threshold(value=1, color="green")]
    return panel.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))


def table(title: str, description: str, query: str, width: int = COLUMNS) -> TablePanel:
    """The labels of the newest answer."""
    asked = Dataquery().expr(query).instant().format(PromQueryFormat.TABLE).datasource(SOURCE).ref_id("A")
    panel = (
        TablePanel().title(title).description(description).unit(NUMBER).datasource(SOURCE).show_header(True)
    )
    return panel.span(width).height(6).with_target(asked)


def _asking(panel: _Panel, queries: tuple[tuple[str, str], ...], *, instant: bool = False) -> _Panel:
    for place, (expression, legend) in enumerate(queries):
        asked = Dataquery().expr(expression).legend_format(legend).datasource(SOURCE)
        asked = asked.ref_id(chr(ord("A") + place))
        panel = panel.with_target(asked.instant() if instant else asked.range())
    return panel


def board(uid: str, title: str, description: str) -> Dashboard:
    """An empty dashboard of ours, for whichever Prometheus is chosen."""
    return (
        Dashboard(f"Lotkeeper: {title}")
        .uid(f"lotkeeper-{uid}")
        .description(description)
        .tags(["lotkeeper"])
        .readonly()
        .refresh("30s")
        .time("now-24h", "now")
        .timezone("utc")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )


def row(title: str) -> Row:
    """What follows belongs together."""
    return Row(title)
