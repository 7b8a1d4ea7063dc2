"""A crowd of wallets on a genuine market, made quickly: supplies sent by the whale, own debts."""

from __future__ import annotations

import random

from localnet.aave_v3 import Market
from localnet.aave_v3.standard import raw_of, wallet
from margin.basics import Address

SEED = 20_260_401
COLLATERALS = ("WETH", "wstETH", "WBTC", "USDC", "DAI", "LINK")
DEBTS = ("USDC", "DAI", "WETH", "LINK")
SHARE_IN_DEBT = 0.7
DAYS = 20
FALLS_BPS = {"WETH": 900, "wstETH": 930, "WBTC": 600, "LINK": 1_500}
"""What prices lose after everyone has borrowed: some of the crowd end near the edge, some beyond."""


def gather(market: Market, count: int) -> list[Address]:
    """`count` wallets with one to three supplies each, most of them with one or two debts.

    The same every time. Supplies are the whale's aTokens, which cost one transaction each; the pool
    switches them on as collateral as it does for any first deposit.
    """
    rng = random.Random(SEED)  # noqa: S311 - the same crowd every time
    people = [wallet(f"crowd {number}") for number in range(count)]
    for place, person in enumerate(people):
        for symbol in rng.sample(COLLATERALS, rng.randint(1, 3)):
            amount_raw = raw_of(market, symbol, 10 ** rng.uniform(2.5, 4.8))
            token = market.evm.at(market.reserves[symbol].a_token, market.token(symbol).abi, "aToken")
            token.send("transfer", person, amount_raw, sender=market.cast["whale"])
        if place and rng.random() > SHARE_IN_DEBT:  # the first has debts whatever the dice say
            continue
        for symbol in rng.sample(DEBTS, rng.randint(1, 2)):
            available_usd = market.account_data(person)[2] / 10**8
            market.borrow(person, symbol, raw_of(market, symbol, available_usd * rng.uniform(0.2, 0.9)))
    market.warp(DAYS * 86_400)
    for symbol, fall_bps in FALLS_BPS.items():
        price = int(market.feed(symbol).call("latestAnswer"))
        market.set_price(symbol, price - price * fall_bps // 10_000)
    return people
