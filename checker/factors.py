"""What kind of risk a factor is, by name, as the address book names factors."""

from __future__ import annotations

STABLECOINS = frozenset(
    {
        *("USDC", "USDT", "DAI", "USDS", "USDe", "GHO", "FRAX", "LUSD", "PYUSD", "crvUSD", "sUSD", "MAI"),
        *("miMATIC", "mUSD", "RLUSD", "FDUSD", "USDG", "USDtb", "AUSD", "WXDAI", "syrupUSDC", "syrupUSDT"),
        *("EURC", "EURS", "EURe", "EURA", "jEUR"),
        # Treasury bills and credit funds in token form
        *("USYC", "USTB", "USCC", "VBILL", "JTRSY", "JAAA", "ACRED"),
    }
)
"""Factors that are meant to be worth a constant: a fall of the market is not theirs."""


def is_stable(factor: str) -> bool:
    """Whether the factor is a stablecoin or a claim on one (a principal token that matures into it)."""
    return factor in STABLECOINS or factor.startswith("PT-")
