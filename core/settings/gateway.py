"""How the broker link reaches TWS or IB Gateway."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from core.settings.values import Port, known_zone


class Gateway(BaseModel):
    """Where it is, and when it counts as silent."""

    ib_host: str = Field("127.0.0.1", min_length=1, description="TWS or IB Gateway")
    ib_port: Port = Field(4002, description="4001/4002 Gateway live/paper, 7496/7497 TWS live/paper")
    ib_client_id: int = Field(
        71,
        ge=0,
        le=2**31 - 1,
        description="fixed; one per connection to the gateway. A standby needs one of its own to take over "
        "from a link that is paused or cut off: the gateway keeps that one's socket, and its id, for a while",
    )
    ib_timezone: Annotated[str, AfterValidator(known_zone)] | None = Field(
        None, description="zone of execution times that carry none; default: the zone in the handshake"
    )
    ib_connect_timeout_seconds: float = Field(
        15.0, gt=0, le=300, description="an accepted connection that says nothing is given up after this"
    )
    ib_heartbeat_seconds: float = Field(
        5.0, gt=0, le=60, description="a silent gateway is found after about two"
    )
    ib_stale_seconds: float = Field(
        90.0, gt=0, le=3600, description="a gateway that tells the time and nothing else is stale after this"
    )
