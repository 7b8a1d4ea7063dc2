"""Judging accounts: our exact arithmetic against asking the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench.measure import Way
from bench.row import Different, Row
from bench.stage import Stage
from bench.whole import Whole
from chain.abi import to_address
from chain.block import pin
from chain.reader import Call, Reader
from localnet.aave_v3.crowd import STABLECOINS
from margin.basics import Address, Unread
from margin.prices import Prices
from margin.units import UINT256_MAX
from protocols.aave_v3 import abi
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount

YEAR_S = 365 * 86_400
FALL_PERCENT = 17


def measure(stage: Stage) -> Iterator[Row]:
    """Every account of the crowd judged here and by its contract; none may differ."""
    whole = stage.whole
    compared, fallen = _everywhere(whole)
    accounts = list(whole.accounts.values())
    sample = [_call(whole.venue, account.key.owner) for account in accounts[: stage.size.sample]]
    times = stage.race(
        Way(lambda: whole.naive.read(sample), len(sample)),
        Way(lambda: [whole.venue.verdict(account) for account in accounts], len(accounts)),
    )
    yield Row(
        what="exact verdict of an account",
        against="naive web3.py",
        ratio=times.ratio(),
        figures=(
            f"0 different of {compared:,} compared with the contract (aim: 0, met): a book of "
            f"{len(whole.table.ids):,} accounts now, with all prices but stablecoins' {FALL_PERCENT} % "
            f"lower, and a year after that ({', '.join(f'{count:,}' for count in fallen)} liquidatable); "
            f"{times.per_second():,.0f} verdicts a second against {times.baseline_per_second:,.0f}"
        ),
        meaning=(
            "The pool's own decision computed here from the book's words, against one `getUserAccountData` "
            "call each: what every price, every stress and every search of an edge costs once an account has "
            "been read. Compared are collateral, debt, average threshold and health factor, to the last "
            "unit, after the chain itself went to those prices and that time; an account that is said to be "
            "empty must be so to the contract."
        ),
    )


def _everywhere(whole: Whole) -> tuple[int, list[int]]:
    """Compares now, after a fall and a year later: how many, and each time how many are liquidatable."""
    market, venue = whole.market, whole.venue
    accounts = list(whole.accounts.values())
    empty = [to_address(id_) for row, id_ in enumerate(whole.table.ids) if row not in whole.accounts]
    compared, fallen = 0, []
    with market.anvil.undone():
        changes: tuple[Callable[[], None], ...] = (
            lambda: None,
            lambda: _fall(whole),
            lambda: market.warp(YEAR_S),
        )
        for change in changes:
            change()
            reader = Reader(whole.rpc, pin(whole.rpc))
            prices, at = venue.at_block(reader).prices, reader.block.timestamp
            compared += compare(reader, venue, accounts, prices, at) + _hold_nothing(reader, venue, empty)
            fallen.append(sum(venue.verdict(account, prices, at).liquidatable for account in accounts))
    if fallen[0] == fallen[-1]:
        raise Different("liquidatable accounts after a fall and a year", fallen[-1], "more")
    return compared, fallen


def compare(
    reader: Reader,
    venue: AaveVenue,
    accounts: Sequence[AaveAccount],
    prices: Prices | None = None,
    at: int | None = None,
) -> int:
    """How many verdicts were compared with the pool's at the reader's block, which has these prices and time.

    Raises `Different` at the first that differs in any unit.
    """
    told = reader.read([_call(venue, account.key.owner) for account in accounts])
    for account, said in zip(accounts, told, strict=True):
        verdict = venue.verdict(account, prices, at)
        health = UINT256_MAX if verdict.health_factor_wad is None else verdict.health_factor_wad
        ours = verdict.assets_raw, verdict.liabilities_raw, venue.average_threshold_bps(verdict), health
        theirs = said if isinstance(said, Unread) else (said[0], said[1], said[3], said[5])
        if ours != theirs:
            raise Different(f"the verdict of {account.key.owner}", ours, theirs)
    return len(accounts)


def _hold_nothing(reader: Reader, venue: AaveVenue, owners: Sequence[Address]) -> int:
    """How many are empty to the pool too; raises `Different` unless all are."""
    for owner, said in zip(owners, reader.read([_call(venue, owner) for owner in owners]), strict=True):
        if isinstance(said, Unread) or said[0] or said[1]:
            raise Different(f"the empty account {owner}", (0, 0), said)
    return len(owners)


def _call(venue: AaveVenue, owner: Address) -> Call:
    return Call(venue.pool, abi.GET_USER_ACCOUNT_DATA, (owner,))


def _fall(whole: Whole) -> None:
    """Every feed's answer is lower, but for stablecoins: their debts stay."""
    for symbol in set(whole.market.reserves) - set(STABLECOINS):
        price = int(whole.market.feed(symbol).call("latestAnswer"))
        whole.market.set_price(symbol, max(1, price * (100 - FALL_PERCENT) // 100))
