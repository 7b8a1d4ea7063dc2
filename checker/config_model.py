"""The configuration file as pydantic models, one per table. An unknown key is an error."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from checker.bands import Bands, Bounds
from checker.config_types import (
    AddressField,
    Bound,
    DatabaseUrl,
    HookUrl,
    Label,
    Listen,
    Mention,
    Name,
    OneOrMany,
    RpcUrl,
    Seconds,
    SecretText,
    Share,
    SmtpUrl,
    Words,
)

BandWord = Literal["ok", "warning", "danger", "unknown", "liquidatable"]


class Table(BaseModel):
    """A TOML table: immutable, exact about its types, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _off(value: Any) -> Any:
    return None if value is False else value


class ChainTable(Table):
    """`[chains.NAME]`."""

    rpc: Annotated[tuple[RpcUrl, ...], OneOrMany, Field(strict=False, min_length=1)]
    chain_id: Annotated[int, Field(gt=0, lt=2**64)] | None = None
    address_book: bool = True
    max_head_age: Annotated[Seconds | None, BeforeValidator(_off)] = None
    """Seconds; without it the chain's own default. `false`: any age is accepted."""
    references: dict[AddressField, AddressField] = {}
    """By token the feed that gives it in US dollars, where a venue counts in it."""

    @property
    def any_head_age(self) -> bool:
        """Whether the age of the head is not looked at."""
        return "max_head_age" in self.model_fields_set and self.max_head_age is None


class VenueTable(BaseModel):
    """`[[venues]]`: what else it holds are the protocol's addresses, checked against its adapter."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, hide_input_in_errors=True)

    chain: str
    protocol: str
    name: Name | None = None


class BoundsTable(Table):
    """The bounds of one band."""

    drop: Share | None = None
    health_factor: Bound | None = None
    hours: Bound | None = None

    def value(self) -> Bounds:
        """As the checker uses them."""
        return Bounds(self.drop, self.health_factor, self.hours)


class BandsTable(Table):
    """`[bands]`, and the same under a wallet."""

    warning: BoundsTable = BoundsTable()
    danger: BoundsTable = BoundsTable()

    def value(self) -> Bands:
        """As the checker uses them."""
        return Bands(self.warning.value(), self.danger.value())


class WalletTable(Table):
    """`[[wallets]]`."""

    label: Label | None = None
    addresses: Annotated[tuple[AddressField, ...], OneOrMany, Field(strict=False, min_length=1)]
    bands: BandsTable = BandsTable()


class DiscordTable(Table):
    """`[[alerts.channels]]` of type discord."""

    type: Literal["discord"]
    name: Name | None = None
    url: HookUrl
    mentions: Annotated[tuple[Mention, ...], OneOrMany, Field(strict=False, max_length=50)] = ()
    """Whom a message calls: `user:ID` and `role:ID`; nobody else is ever called."""
    min_band: BandWord = "warning"


class EmailTable(Table):
    """`[[alerts.channels]]` of type email."""

    type: Literal["email"]
    name: Name | None = None
    smtp: SmtpUrl
    sender: Annotated[Words, Field(alias="from")]
    to: Annotated[tuple[Words, ...], OneOrMany, Field(strict=False, min_length=1)]
    min_band: BandWord = "warning"


class AppriseTable(Table):
    """`[[alerts.channels]]` of type apprise: any service it knows, by its URL there."""

    type: Literal["apprise"]
    name: Name | None = None
    url: SecretText
    min_band: BandWord = "warning"


Channel = Annotated[DiscordTable | EmailTable | AppriseTable, Field(discriminator="type")]


class AlertsTable(Table):
    """`[alerts]`."""

    repeat_after: Seconds | None = None
    channels: Annotated[tuple[Channel, ...], Field(strict=False)] = ()


class StoreTable(Table):
    """`[store]`."""

    url: DatabaseUrl


class WatchTable(Table):
    """`[watch]`."""

    interval: Seconds | None = None
    ping: HookUrl | None = None
    """Asked after each good round: a dead man's switch elsewhere that notices when it no longer is."""
    listen: Listen | None = None
    """Where `/metrics` and `/healthz` are served."""


class Document(Table):
    """The whole file."""

    chains: dict[Name, ChainTable] = {}
    venues: Annotated[tuple[VenueTable, ...], Field(strict=False)] = ()
    wallets: Annotated[tuple[WalletTable, ...], Field(strict=False)] = ()
    bands: BandsTable = BandsTable()
    factors: dict[Words, Words] = {}
    alerts: AlertsTable = AlertsTable()
    store: StoreTable | None = None
    watch: WatchTable = WatchTable()
