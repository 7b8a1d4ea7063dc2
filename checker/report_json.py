"""The JSON of `check`, word for word as the interface says (`docs/schemas/check.schema.json`)."""

from __future__ import annotations

import json
import math
from typing import Any

from checker.account_view import AccountView, Liquidation
from checker.dollars import Reference
from checker.wallet_view import Exposure, Report, UnreadItem, WalletView
from margin.basics import BlockRef
from margin.legs import CollateralLeg, DebtLeg
from margin.units import BPS, WAD

SCHEMA = "crossmargin.check/1"
Json = dict[str, Any]


def to_text(report: Report) -> str:
    """The whole object, indented, ending in a newline."""
    return json.dumps(to_json(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_json(report: Report) -> Json:
    """The report as JSON values."""
    return {
        "schema": SCHEMA,
        "blocks": [block_json(block) for block in report.blocks],
        "wallets": [_wallet(wallet) for wallet in report.wallets],
    }


def block_json(block: BlockRef) -> Json:
    """One block, as it stands in every output."""
    return {
        "chain": block.chain,
        "chain_id": block.chain_id,
        "number": block.number,
        "hash": block.hash,
        "timestamp": block.timestamp,
    }


def _wallet(wallet: WalletView) -> Json:
    return {
        "wallet": wallet.wallet,
        "label": wallet.label,
        "addresses": list(wallet.addresses),
        "band": wallet.band.word,
        "equity_usd": wallet.equity_usd,
        "collateral_usd": wallet.collateral_usd,
        "debt_usd": wallet.debt_usd,
        "perp_notional_usd": None if wallet.equity_usd is None else 0.0,
        "exposures": [_exposure(exposure) for exposure in wallet.exposures],
        "accounts": [_account(account) for account in wallet.accounts],
        "unread": [_unread(item) for item in wallet.unread],
    }


def _exposure(exposure: Exposure) -> Json:
    return {
        "factor": exposure.factor,
        "net_usd": exposure.net_usd,
        "long_usd": exposure.long_usd,
        "short_usd": exposure.short_usd,
    }


def _unread(item: UnreadItem) -> Json:
    return {
        "venue": item.venue,
        "account": item.account,
        "reason": item.unread.reason.value,
        "detail": item.unread.detail,
    }


def _account(account: AccountView) -> Json:
    verdict, audit = account.verdict, account.audit
    return {
        "venue": account.key.venue,
        "protocol": account.protocol,
        "owner": account.key.owner,
        "account": account.key.account,
        "band": account.band.word,
        "liquidatable": account.liquidatable,
        "insolvent": None if verdict is None else verdict.insolvent,
        "blocked": account.blocked,
        "health_factor": _health(None if verdict is None else verdict.health_factor_wad),
        "support_raw": None if verdict is None else str(verdict.support_raw),
        "requirement_raw": None if verdict is None else str(verdict.requirement_raw),
        "reported": None if audit is None else dict(audit.reported),
        "agrees": None if audit is None else audit.agrees,
        "disagreement": account.disagreement,
        "equity_usd": account.equity_usd,
        "collateral": None
        if account.collateral is None
        else [_collateral(account, leg) for leg in account.collateral],
        "debt": None if account.debt is None else [_debt(account, leg) for leg in account.debt],
        "perps": None if account.verdict is None else [],
        "liquidation": None if account.liquidation is None else _liquidation(account, account.liquidation),
        "notes": list(account.notes),
    } | ({} if account.reference is None else {"usd_reference": _reference(account, account.reference)})


def _reference(account: AccountView, reference: Reference) -> Json:
    age = None if reference.updated_at is None else account.timestamp - reference.updated_at
    return {
        "token": reference.token,
        "feed": reference.feed,
        "price_raw": str(reference.answer_raw),
        "decimals": reference.decimals,
        "age_seconds": age,
    }


def _health(health_factor_wad: int | None) -> float | None:
    """A health factor as a float; one below the edge never rounds up to it."""
    if health_factor_wad is None:
        return None
    value = health_factor_wad / WAD
    return math.nextafter(1.0, 0.0) if health_factor_wad < WAD and value >= 1.0 else value


def _shock(shock_wad: int | None) -> float | None:
    """A move as a float; never rounded down to −100 %, which no factor reaches."""
    return None if shock_wad is None else max(math.nextafter(-1.0, 0.0), shock_wad / WAD)


def _collateral(account: AccountView, leg: CollateralLeg) -> Json:
    receipt_raw = leg.receipt_amount_raw
    return {
        "token": leg.token,
        "symbol": leg.symbol,
        "decimals": leg.decimals,
        "amount_raw": str(leg.amount_raw),
        "value_usd": account.usd(leg.value_raw),
        "liquidation_threshold": leg.threshold_bps / BPS,
    } | ({} if receipt_raw is None else {"receipt_amount_raw": str(receipt_raw)})


def _debt(account: AccountView, leg: DebtLeg) -> Json:
    return {
        "token": leg.token,
        "symbol": leg.symbol,
        "decimals": leg.decimals,
        "amount_raw": str(leg.amount_raw),
        "value_usd": account.usd(leg.value_raw),
    }


def _moment(account: AccountView, liquidation: Liquidation, at: int) -> Json:
    block = liquidation.block_at_constant_prices
    return {"timestamp": at, "seconds": account.seconds_left} | ({} if block is None else {"block": block})


def _liquidation(account: AccountView, liquidation: Liquidation) -> Json:
    at = liquidation.at_constant_prices
    return {
        "feeds": [
            {
                "feed": feed.feed,
                **({"root": feed.roots[0]} if feed.roots else {}),
                **({"roots": list(feed.roots)} if len(feed.roots) > 1 else {}),
                "asset": feed.asset,
                "decimals": feed.decimals,
                "price_raw": str(feed.price_raw),
                "direction": feed.direction,
                "liquidation_price_raw": None
                if feed.liquidation_price_raw is None
                else str(feed.liquidation_price_raw),
                "age_seconds": feed.age_s,
            }
            for feed in liquidation.feeds
        ],
        "factors": [
            {"factor": factor.factor, "shock": _shock(factor.shock_wad)} for factor in liquidation.factors
        ],
        "at_constant_prices": None if at is None else _moment(account, liquidation, at),
    }
