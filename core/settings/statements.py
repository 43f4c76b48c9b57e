"""Statements: IBKR's Flex Web Service, and folders."""

from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from core.settings.place import Place
from core.settings.values import query_ids


class Statements(Place):
    """Where they come from, and where they are kept."""

    flex_token: SecretStr | None = Field(
        None, description="of IBKR's Flex Web Service, instead of what `lotkeeper flex setup` stored"
    )
    flex_queries: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(query_ids)] = Field(
        None, description="the numbers of the Flex queries to fetch, with commas between; the same"
    )
    flex_expires_on: date | None = Field(
        None,
        description="that token's last day, as Client Portal shows it: IBKR tells it to no program",
    )
    flex_url: str = Field(
        "https://ndcdyn.interactivebrokers.com/AccountManagement/FlexWebService",
        min_length=1,
        description="where the Flex Web Service is; the token goes there and to IBKR only",
    )
    flex_hour: int = Field(
        5,
        ge=0,
        le=23,
        description="of the daily fetch, in New York: statements of a day are ready some hours after its end",
    )
    statements_dir: Path | None = Field(
        None, description="where fetched statements are kept; default: `statements` in the profile's folder"
    )
    statements_inbox: Path | None = Field(
        None,
        description="what is put there is imported; default: `inbox` in the folder of statements",
    )

    @property
    def flex_file(self) -> Path:
        """Where `lotkeeper flex setup` keeps the Flex token and the queries (mode 0600)."""
        return self.data_dir / "flex.json"

    @property
    def statements_folder(self) -> Path:
        """Where fetched statements are kept."""
        return self.statements_dir or self.data_dir / "statements"

    @property
    def statements_inbox_folder(self) -> Path:
        """The watched folder."""
        return self.statements_inbox or self.statements_folder / "inbox"
