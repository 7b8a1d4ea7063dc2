"""How vaults are found and read: holders of every kind, stale figures, delayed prices, wrong addresses."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from chain.block import pin
from chain.reader import Reader
from checker.reach import within_hours
from localnet.evm import Contract
from localnet.maker.cast import borrowable, wallet
from localnet.maker.market import RAY, WAD, word_of
from localnet.solc import own
from margin.errors import VenueError
from margin.frontier import feed_edge, time_edge
from margin.prices import FeedKey
from margin.verdict import Verdict
from protocols.base import Failed, VenueConfig
from protocols.maker import ADAPTER
from protocols.maker.arithmetic import price_ray, rpow, spot_ray
from protocols.maker.holders import WALK
from protocols.maker.liquidation import Liquidation, bark
from protocols.maker.state import Vault
from tests.conformance.subject import read
from tests.protocols.maker.subject import Genuine

USER = wallet("reader")


def accounts(town: Genuine, *owners: str, config: VenueConfig | None = None) -> list[list[Vault]]:
    """The owners' vaults, none of which may have failed."""
    reader = Reader(town.rpc, pin(town.rpc))
    book = ADAPTER.open(reader, config or town.config).read(reader, [town.market.cast[o] for o in owners])
    found = []
    for owner in owners:
        vaults = book.accounts[town.market.cast[owner]]
        assert not [each for each in vaults if isinstance(each, Failed)]
        found.append([each for each in vaults if isinstance(each, Vault)])
    return found


def test_every_way_of_holding_a_vault(town: Genuine) -> None:
    market, cast = town.market, town.market.cast
    safe, managed, proxied, proxy, old, nobody = accounts(
        town, "safe", "managed", "proxied", "proxied_proxy", "old", "nobody"
    )
    assert [a.key.account for a in safe] == [f"ETH-B {cast['safe']}"]
    assert [a.key.account for a in managed] == [f"ETH-B #1 {market.urn(1)}", f"LINK-A #2 {market.urn(2)}"]
    through = f"ETH-C #3 {market.urn(3)} via proxy {cast['proxied_proxy']}"
    assert [(a.key.owner, a.key.account) for a in proxied] == [(cast["proxied"], through)]
    assert [a.key.account for a in proxy] == [f"ETH-C #3 {market.urn(3)}"]
    assert [a.key.account.split()[0] for a in old] == ["ETH-A", "WBTC-A"]
    assert nobody == []
    venue = read(town, cast["proxied"]).venue
    assert f"held by the proxy {cast['proxied_proxy']}" in list(venue.notes(proxied[0]))


def test_a_proxy_that_holds_an_urn_itself(town: Genuine) -> None:
    cast = town.market.cast
    town.market.frob(cast["proxied_proxy"], "YFI-A", WAD, 0)
    (proxied,) = accounts(town, "proxied")
    assert [a.urn for a in proxied] == [cast["proxied_proxy"], town.market.urn(3)]
    assert proxied[0].key.account.endswith(f"via proxy {cast['proxied_proxy']}")


def test_what_is_given_away_is_the_new_owners(town: Genuine) -> None:
    market, cast = town.market, town.market.cast
    market.manager.send("give", 1, cast["nobody"], sender=cast["managed"])
    managed, nobody = accounts(town, "managed", "nobody")
    assert [a.cdp for a in managed] == [2]
    assert [a.cdp for a in nobody] == [1]


@pytest.mark.parametrize("count", [WALK, WALK + 1])
def test_many_vaults_of_one_owner(town: Genuine, count: int) -> None:
    market, cast = town.market, town.market.cast
    for _ in range(count):
        market.open_vault("ETH-B", cast["nobody"], WAD, 0)
    nobody, managed = accounts(town, "nobody", "managed")
    assert [a.cdp for a in nobody] == list(range(4, 4 + count))
    assert [a.cdp for a in managed] == [1, 2]


def test_a_token_of_few_decimals(town: Genuine) -> None:
    """Three WBTC are 3e18 in the Vat and 3e8 in the token's own units."""
    (old,) = accounts(town, "old")
    venue = read(town, town.market.cast["old"]).venue
    (leg,) = venue.collateral_legs(old[1])
    assert (leg.symbol, leg.decimals, leg.amount_raw) == ("WBTC", 8, 3 * 10**8)


def test_a_stale_spot_is_taken_as_poked(town: Genuine) -> None:
    """The pip fell and nobody told the Vat: a bark is refused, and goes through after a poke."""
    owner = town.market.cast["stale"]
    venue, account = town.one(owner)
    assert town.market.try_bark("LINK-A", owner, poke=False) == "Dog/not-unsafe"
    assert town.market.try_bark("LINK-A", owner) is None
    assert venue.verdict(account).liquidatable
    assert not venue.reported_liquidatable(account)
    audit = venue.audit(account)
    assert audit.agrees is True
    _, rate, spot, _, _ = town.market.vat.call("ilks", word_of("LINK-A"))
    assert (audit.reported["spot"], audit.reported["rate"]) == (str(spot), str(rate))
    assert any("stale" in note for note in venue.notes(account))


def test_a_spot_too_low_is_enough_without_a_poke(town: Genuine) -> None:
    """The price came back and nobody told the Vat: whoever barks before a poke succeeds."""
    market, owner = town.market, town.market.cast["unsafe"]
    market.set_price("YFI-A", 15_000 * WAD, poke=False)
    venue, account = town.one(owner)
    assert not venue.verdict(account).liquidatable
    assert venue.reported_liquidatable(account)
    assert market.try_bark("YFI-A", owner, poke=False) is None
    assert isinstance(bark(venue, account, poke=False), Liquidation)
    assert venue.blocked(account) is None


def test_the_audit_sees_another_vat(town: Genuine) -> None:
    venue, account = town.one(town.market.cast["safe"])
    assert venue.audit(account).agrees is True
    assert venue.audit(dataclasses.replace(account, art=account.art + 1)).agrees is False
    assert venue.audit(dataclasses.replace(account, stored=None)).agrees is None


def test_fees_wait_for_a_drip(town: Genuine) -> None:
    """As stored at the block; dripped at any later second, so that it may be unsafe at the very next."""
    market, owner = town.market, town.market.cast["edge"]
    market.warp(300 * 86_400)
    venue, account = town.one(owner)
    now = venue.block.timestamp
    assert not venue.verdict(account).liquidatable
    assert time_edge(venue, account) == now + 1
    assert any("Jug.drip" in note for note in venue.notes(account))
    assert market.try_bark("ETH-C", owner, at=now + 1) == "Dog/not-unsafe"
    assert market.try_bark("ETH-C", owner, drip=True, at=now + 1) is None


def delayed(town: Genuine, ilk: str, current: int, following: int, *, listed: bool = True) -> Contract:
    """An oracle security module before the pip of an ilk, closed to everyone but the system."""
    market = town.market
    osm = market.evm.deploy(own("DelayedPrice"), market.pip(ilk).address)
    osm.send("set", current, following, True)
    for reader in (market.spotter.address, market.clip(ilk).address) if listed else ():
        osm.send("kiss", reader)
    market.file(market.spotter, ilk, "pip", osm.address)
    return osm


def test_a_delayed_price_is_read_from_storage(town: Genuine) -> None:
    market, owner = town.market, town.market.cast["safe"]
    osm = delayed(town, "ETH-B", 140 * WAD, 30 * WAD)
    venue, account = town.one(owner)
    feed = venue.feeds[FeedKey(osm.address)]
    assert (feed.answer_raw, feed.address) == (140 * WAD, osm.address)
    assert venue.verdict(account).support_raw == account.ink * market.look("ETH-B", owner)[3]
    (said,) = [note for note in venue.notes(account) if "next price" in note]
    assert "30.000000" in said
    assert "it liquidates the vault" in said
    osm.send("set", 140 * WAD, 139 * WAD, True)
    venue, account = town.one(owner)
    (said,) = [note for note in venue.notes(account) if "next price" in note]
    assert "liquidates" not in said


def test_a_void_delayed_price_is_no_price(town: Genuine) -> None:
    owner = town.market.cast["safe"]
    before = town.one(owner)[0].verdict(town.one(owner)[1])
    delayed(town, "ETH-B", 140 * WAD, 30 * WAD).send("void")
    venue, account = town.one(owner)
    assert dict(venue.gaps())["ETH-B"].reason.value == "oracle"
    verdict: Verdict = venue.verdict(account)
    assert (verdict.support_raw, verdict.requirement_raw) == (before.support_raw, before.requirement_raw)


def test_the_white_papers_number(world: Genuine) -> None:
    """3.1 ETH against 635.1 DAI at 150 %: 307.3064516129 DAI for one ETH is the last price above the edge."""
    market = world.market
    market.set_price("ETH-A", 400 * WAD)
    market.file(market.spotter, "ETH-A", "mat", 15 * RAY // 10)
    market.poke("ETH-A")
    market.frob(USER, "ETH-A", 31 * WAD // 10, 0)
    _, rate, _, _, _ = market.vat.call("ilks", word_of("ETH-A"))
    world.ilks[USER] = "ETH-A"
    art = -(-6351 * WAD * RAY // (10 * rate))
    market.frob(USER, "ETH-A", 0, art)
    venue, account = world.one(USER)
    (feed,) = venue.feeds_of(account)
    edge = feed_edge(venue, account, feed).liquidation_price_raw
    assert edge is not None
    exact = 6351 * 15 * WAD // 31 // 10
    assert abs(edge - exact) <= 2
    assert f"{edge / WAD:.10f}" == "307.3064516129"


def test_arithmetic_by_hand() -> None:
    assert price_ray(150 * WAD, RAY) == 150 * RAY
    assert spot_ray(150 * WAD, RAY, 2 * RAY) == 75 * RAY
    assert spot_ray(1, 3 * RAY, 7 * RAY) == (10**9 // 3) // 7
    assert rpow(RAY, 10**9) == RAY
    assert rpow(2 * RAY, 10) == 1024 * RAY
    assert rpow(0, 0) == RAY
    assert rpow(0, 5) == 0


@pytest.mark.parametrize("key", ["spotter", "jug", "dog", "cdp_manager"])
def test_parts_of_another_system_are_refused(town: Genuine, key: str) -> None:
    given = dict(town.config.addresses)
    given[key] = town.market.addresses["MCD_POT"]  # works for the Vat, and is none of these
    if key != "cdp_manager":
        with pytest.raises(VenueError):
            ADAPTER.open(Reader(town.rpc, pin(town.rpc)), VenueConfig("local/maker", given, "test"))
    given[key] = town.market.addresses["MCD_DAI"]
    with pytest.raises(VenueError):
        ADAPTER.open(Reader(town.rpc, pin(town.rpc)), VenueConfig("local/maker", given, "test"))


def test_only_the_ilks_that_are_wanted(town: Genuine) -> None:
    config = dataclasses.replace(town.config, options={"ilks": ("ETH-B",)})
    managed, unsafe = accounts(town, "managed", "unsafe", config=config)
    assert [a.key.account.split()[0] for a in managed] == ["ETH-B"]
    assert unsafe == []


@pytest.mark.parametrize(
    ("name", "why"), [("ETH-Z", "the Vat knows no ilk ETH-Z"), ("x" * 33, "32 characters")]
)
def test_an_ilk_that_is_not_there(town: Genuine, name: str, why: str) -> None:
    config = dataclasses.replace(town.config, options={"ilks": ("ETH-B", name)})
    with pytest.raises(VenueError, match=why):
        ADAPTER.open(Reader(town.rpc, pin(town.rpc)), config)


def test_a_list_of_addresses_on_the_chain(town: Genuine) -> None:
    """The list and the registry of ilks that the public chains have: the same venue."""
    market = town.market
    log = market.evm.deploy(own("AddressLog"))
    names = ("MCD_VAT", "MCD_SPOT", "MCD_JUG", "MCD_DOG", "MCD_DAI", "CDP_MANAGER", "PROXY_REGISTRY")
    for name in (*names, "ILK_REGISTRY"):
        log.send("setAddress", word_of(name), market.addresses[name])
    registry = market.at("ILK_REGISTRY", "IlkRegistry")
    for ilk in ("ETH-B", "ETH-C", "LINK-A", "YFI-A"):
        join = market.addresses[f"MCD_JOIN_{ilk.replace('-', '_')}"]
        pip = market.pip(ilk).address
        token = market.addresses["ETH" if ilk.startswith("ETH") else ilk[:-2]]
        clip = market.clip(ilk).address
        row = (word_of(ilk), join, token, 18, 1, pip, clip, ilk, ilk)
        registry.send("put", *row, sender=market.addresses["DEPLOYER"])
    config = VenueConfig("local/maker", {"chainlog": log.address}, "test", town.config.factors)
    listed = accounts(town, "safe", "managed", "proxied", "unsafe", config=config)
    found = accounts(town, "safe", "managed", "proxied", "unsafe")
    assert listed == found
    empty = VenueConfig("local/maker", {"chainlog": market.evm.deploy(own("AddressLog")).address}, "test")
    with pytest.raises(VenueError, match="no list of Maker's addresses"):
        ADAPTER.open(Reader(town.rpc, pin(town.rpc)), empty)


def test_it_dies_at_the_edge_with_its_neighbours_alive(town: Genuine) -> None:
    """A price below one vault's edge leaves a vault of the same owner in another ilk as it is."""
    market, owner = town.market, town.market.cast["managed"]
    before = {
        a.cdp: read(town, owner).venue.verdict(a) for (own_,) in [accounts(town, "managed")] for a in own_
    }
    market.set_price("LINK-A", WAD)
    after = {
        a.cdp: read(town, owner).venue.verdict(a) for (own_,) in [accounts(town, "managed")] for a in own_
    }
    assert after[2].liquidatable
    assert after[1] == before[1]


def test_borrowable_is_what_the_vat_lets(world: Genuine) -> None:
    """The recipe's own helper stands at the edge exactly: not a wei more."""
    ink = 10 * WAD
    world.market.frob(USER, "ETH-C", ink, borrowable(world.market, "ETH-C", ink))
    with pytest.raises(Exception, match="Vat/not-safe"):
        world.market.frob(USER, "ETH-C", 0, 1)


def test_liquidatable_for_a_while_is_soon_enough(world: Genuine) -> None:
    """A drip that overflows is not booked, so the vault is safe again then; on the way there it was not."""
    market = world.market
    market.frob(USER, "ETH-B", 50 * WAD, borrowable(market, "ETH-B", 50 * WAD) * 9 // 10)
    market.set_duty("ETH-B", RAY + 10**21)
    world.ilks[USER] = "ETH-B"
    venue, account = world.one(USER)
    last, first = venue.clock.after(20_000 * 3600), time_edge(venue, account)
    assert not venue.verdict(account).liquidatable
    assert not venue.verdict(account, at=last).liquidatable
    assert first is not None
    assert first < last
    assert within_hours(venue, account, Decimal(20_000))
