"""What is told of the processes themselves."""

from typing import Literal

from pydantic import BaseModel, Field


class Watching(BaseModel):
    """Metrics and logs."""

    metrics_host: str = Field("127.0.0.1", description="where link and worker serve metrics")
    broker_metrics_port: int = Field(0, ge=0, le=65535, description="of the broker link; 0: not served")
    worker_metrics_port: int = Field(0, ge=0, le=65535, description="of the worker; 0: not served")

    metrics_money: bool = Field(
        False, description="also serve what each account is worth, and its profit and loss, as metrics"
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="account numbers and amounts appear at DEBUG only"
    )
    log_format: Literal["console", "json"] = Field("console", description="lines for people, or JSON")
    log_days: int = Field(90, ge=1, le=3650, description="that the log of `up` and `demo` is kept for")
