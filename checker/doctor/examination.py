"""The whole examination: configuration, store, every endpoint and every venue, all side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from chain.endpoint import Endpoint, endpoints_of
from chain.rpc import Settings
from checker import words
from checker.config import Chain, Config
from checker.doctor.endpoint import EndpointHealth, examine_endpoint, wrong_chain
from checker.doctor.findings import Problem, Status, status_of, worst
from checker.doctor.venue import VenueHealth, VenuesHealth, examine_venues
from checker.side_by_side import side_by_side
from checker.surprises import surprises
from checker.venues import places, refuse_doubles
from margin.basics import Address, BlockRef
from margin.errors import ConfigError, StoreError

_MOST_PATIENCE_S = 65.0
"""What does not answer is told within 75 seconds, whatever else is looked at."""
_CONNECT_S = 20
"""For a database elsewhere."""
BEHIND_S = 60
"""Heads of one chain that are further apart than this are not those of endpoints in good order."""
Say = Callable[[str], None]
"""Told what is being done, for a person who waits."""
Look = tuple[str, Callable[[], None]]
"""What is looked at, and how."""


@dataclass(frozen=True, slots=True)
class ChainHealth:
    """One chain."""

    chain: Chain
    chain_id: int | None
    """As configured, else as the first endpoint that answers says."""
    block: BlockRef | None
    """The block its venues were looked at."""
    endpoints: tuple[EndpointHealth, ...]
    venues: tuple[VenueHealth, ...]
    requests: int
    """HTTP requests made."""

    @property
    def status(self) -> Status:
        """The worst of its endpoints and venues."""
        statuses = [endpoint.status for endpoint in self.endpoints]
        return worst(statuses + [venue.status for venue in self.venues])


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The store that is configured."""

    problems: tuple[Problem, ...]

    @property
    def status(self) -> Status:
        """The worst of its problems."""
        return status_of(self.problems)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was looked at."""

    config: Config
    problems: tuple[Problem, ...]
    """Of the configuration."""
    store: StoreHealth | None
    """None where none is configured."""
    chains: tuple[ChainHealth, ...]

    @property
    def status(self) -> Status:
        """The worst of all."""
        parts = [status_of(self.problems), *(chain.status for chain in self.chains)]
        return worst([*parts, self.store.status] if self.store else parts)

    @property
    def exit_code(self) -> int:
        """0 all well, 1 warnings, 3 something could not be read or is wrong."""
        return {Status.OK: 0, Status.WARN: 1, Status.FAIL: 3}[self.status]

    @property
    def requests(self) -> int:
        """HTTP requests made."""
        return sum(chain.requests for chain in self.chains)


def doctor(config: Config, *, patience: Settings | None = None, say: Say = lambda _: None) -> Diagnosis:
    """Looks at everything that the configuration names, and tells what it saw; within 75 seconds.

    `patience`: time-outs and retries towards the nodes, if not the usual ones.
    Raises `ConfigError` where no chain is configured.
    """
    if not config.chains:
        raise ConfigError(config.source or "configuration", "no chain: add [chains.NAME] or --rpc CHAIN=URL")
    end = time.monotonic() + _MOST_PATIENCE_S
    left_alone = threading.Event()
    endpoints: dict[str, EndpointHealth] = {}
    venues: dict[str, VenuesHealth] = {}
    stores: list[StoreHealth] = []

    def look_at_endpoint(chain: Chain, endpoint: Endpoint) -> None:
        contracts = _contracts(chain, config)
        left_s = end - time.monotonic()
        endpoints[endpoint.label] = examine_endpoint(endpoint, chain, contracts, patience, left_s)

    def look_at_venues(chain: Chain) -> None:
        venues[chain.name] = examine_venues(chain, config, patience, end - time.monotonic())

    def look_at_store() -> None:
        stores.append(_examine_store(config))

    looks: list[Look] = []
    for chain in config.chains:
        for endpoint in endpoints_of(chain.name, chain.urls):
            look = partial(look_at_endpoint, chain, endpoint)
            looks += [(f"{endpoint.label}: what it can do", look)]
        looks.append((f"{chain.name}: opening its venues", partial(look_at_venues, chain)))
    if config.document.store is not None:
        looks.append(("opening the store", look_at_store))

    def run(look: Look) -> None:
        what, act = look
        if not left_alone.is_set():
            say(what)
        act()

    side_by_side(run, looks, left_alone)
    chains = tuple(_chain_health(chain, endpoints, venues[chain.name]) for chain in config.chains)
    problems = [*_of_config(config, chains), *(p for found in venues.values() for p in found.problems)]
    return Diagnosis(config, tuple(problems), stores[0] if stores else None, chains)


def _contracts(chain: Chain, config: Config) -> list[Address]:
    """The entry points of the venues, as far as the chain's id is configured."""
    known = places(chain, chain.chain_id, config)
    return list(dict.fromkeys(a for place in known for a in place.config.addresses.values()))


def _chain_health(chain: Chain, seen: Mapping[str, EndpointHealth], venues: VenuesHealth) -> ChainHealth:
    """A chain's endpoints beside each other: those of another chain, or far behind the others."""
    endpoints = [seen[endpoint.label] for endpoint in endpoints_of(chain.name, chain.urls)]
    first = next((each for each in endpoints if each.chain_id is not None), None)
    chain_id = chain.chain_id or (first.chain_id if first else None)
    heads = [each for each in endpoints if each.head is not None and each.chain_id == chain_id]
    newest = max(heads, key=_head_time, default=None)
    is_configured = chain.chain_id is not None
    judged = [_beside(each, chain_id, first, newest, is_configured=is_configured) for each in endpoints]
    requests = venues.requests + sum(endpoint.requests for endpoint in endpoints)
    return ChainHealth(chain, chain_id, venues.block, tuple(judged), venues.venues, requests)


def _beside(
    each: EndpointHealth,
    chain_id: int | None,
    first: EndpointHealth | None,
    newest: EndpointHealth | None,
    *,
    is_configured: bool,
) -> EndpointHealth:
    if first and each.chain_id not in (None, chain_id) and not is_configured:
        # Whatever else was wrong with it was judged by the other chain's measure.
        wrong = wrong_chain(each.chain_id or 0, f"but {first.label} has {chain_id}")
        return replace(each, problems=(wrong,))
    if newest and each.head is not None and _head_time(newest) - _head_time(each) > BEHIND_S:
        behind = words.span(_head_time(newest) - _head_time(each))
        return each.having(Problem(Status.WARN, f"its head is {behind} behind that of {newest.label}"))
    return each


def _head_time(endpoint: EndpointHealth) -> int:
    assert endpoint.head is not None
    return endpoint.head.timestamp


def _of_config(config: Config, chains: Sequence[ChainHealth]) -> Iterator[Problem]:
    """What the file says that cannot be meant, or that would surprise."""
    for chain in config.chains:
        try:
            refuse_doubles(chain)
        except ConfigError as error:
            yield Problem(Status.FAIL, error.problem, error.where)
        for at, url in enumerate(chain.urls):
            if url in chain.urls[:at]:
                said = f"the same endpoint as {chain.name}[{chain.urls.index(url)}]: no failover to it"
                yield Problem(Status.WARN, said, f"{chain.name}[{at}]")
    seen = [(each.chain, each.chain_id, bool(each.venues)) for each in chains if each.chain_id is not None]
    for said in surprises(config, seen):
        yield Problem(Status.WARN, said)


def _examine_store(config: Config) -> StoreHealth:
    """Whether the store can be opened; it is made where there is none yet."""
    from checker.book.store import Store, store_url

    try:
        url = store_url(config)
        if url.get_backend_name() == "postgresql":
            url = url.update_query_dict({"connect_timeout": str(_CONNECT_S)})
        Store.open(url).close()
    except (ConfigError, StoreError) as error:
        return StoreHealth((Problem(Status.FAIL, error.problem),))
    return StoreHealth(())
