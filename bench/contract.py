"""Asking the pool itself what it would say at other prices or at another time."""

from __future__ import annotations

from typing import Any

from web3.types import RPCEndpoint

from bench.stage import Stage
from localnet.aave_v3.market import price_override
from margin.prices import Prices
from protocols.aave_v3.abi import GET_USER_ACCOUNT_DATA
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount


def health_at(
    stage: Stage, venue: AaveVenue, account: AaveAccount, prices: Prices | None = None, at: int | None = None
) -> tuple[Any, ...]:
    """`getUserAccountData`, by one `eth_call` with prices and time overridden.

    Below web3's middleware, which cannot override the time: one post where `call()` makes three.
    """
    answers = {str(venue.feeds[key].address): raw for key, raw in prices.items()} if prices else None
    question = {"to": venue.pool, "data": "0x" + GET_USER_ACCOUNT_DATA.encode(account.key.owner).hex()}
    params = [question, "latest", price_override(answers) or {}, {"time": hex(at)} if at is not None else {}]
    answer = stage.naive.provider.make_request(RPCEndpoint("eth_call"), params)
    return GET_USER_ACCOUNT_DATA.decode(bytes.fromhex(str(answer["result"])[2:]))
