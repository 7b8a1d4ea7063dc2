"""Numbers, moments and strangers' names in the words a person reads."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal

from margin.units import WAD

_LATEST = 253_402_300_799
"""The last second of the year 9999."""


def plain(text: str, longest: int = 300) -> str:
    """Text from outside as one bounded printable line: no control characters, no bidi, no line breaks."""
    shown = "".join(char if char.isprintable() else " " for char in text[: longest + 1])
    return " ".join(shown.split()) if len(text) <= longest else " ".join(shown[:longest].split()) + "…"


def short(name: str) -> str:
    """An address or hash in eleven characters; any other name as it is."""
    return f"{name[:6]}…{name[-4:]}" if name.startswith("0x") and len(name) > 12 else plain(name, 40)


def usd(value: float | None) -> str:
    """`$1,234.57`, `−$3.00`; a dash when not known."""
    if value is None:
        return "—"
    sign = "−" if value < 0 and round(abs(value), 2) else ""
    return f"{sign}${abs(value):,.2f}"


def whole_usd(value: float | None) -> str:
    """`$1,235`: whole dollars, for tables; a dash when not known."""
    return "—" if value is None else usd(float(round(value))).removesuffix(".00")


def price(raw: int, decimals: int) -> str:
    """A raw answer with its decimal point, exactly, to its last decimal."""
    digits = str(raw).rjust(decimals + 1, "0")
    return f"{int(digits[:-decimals]):,}.{digits[-decimals:]}" if decimals else f"{raw:,}"


def quantity(raw: int, decimals: int, places: int | None = None) -> str:
    """A raw integer with its decimal point, exactly; rounded down to `places` when given."""
    digits = str(abs(raw)).rjust(decimals + 1, "0")
    whole, fraction = (digits[:-decimals], digits[-decimals:]) if decimals else (digits, "")
    fraction = fraction[:places] if places is not None else fraction
    fraction = fraction.rstrip("0")
    sign = "−" if raw < 0 else ""
    return f"{sign}{int(whole):,}" + (f".{fraction}" if fraction else "")


def amount(raw: int, decimals: int) -> str:
    """A token amount for reading, rounded down: nine digits of it, never a bare zero for a positive one."""
    whole = len(str(raw)) - decimals  # digits before the point; negative: zeros after it
    if raw and whole < -6:
        return f"{Decimal(raw).scaleb(-decimals):.3e}"
    return quantity(raw, decimals, max(2, 9 - whole))


def percent(share: Decimal, *, signed: bool = True) -> str:
    """`−9.2 %`, `+1,020 %`: enough digits to tell it from zero, and a fall from one to nothing."""
    value = share * 100
    size = abs(value)
    sign = ("−" if value < 0 else "+") if signed else ""
    if size and size < Decimal("0.0001"):
        return f"{sign}<0.0001 %"
    places = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= Decimal("0.01") else 4
    if value < 0 and size < 100 and round(size, places) >= 100:
        return f"{sign}99.99… %"
    return f"{sign}{size:,.{places}f} %"


def floored_percent(percent: float) -> str:
    """`99.999 %`: three decimals, never rounded up."""
    return f"{Decimal(percent).quantize(Decimal('0.001'), rounding=ROUND_FLOOR)} %"


def shock(shock_wad: int, *, signed: bool = True) -> str:
    """A move, 1e18 being +100 %."""
    return percent(Decimal(shock_wad) / WAD, signed=signed)


def health(health_factor_wad: int) -> str:
    """A health factor, never rounded up across the edge."""
    if health_factor_wad >= 10**6 * WAD:
        return "over 1,000,000"
    tenthousandths = health_factor_wad * 10**4 // WAD
    return f"{tenthousandths // 10**4}.{tenthousandths % 10**4:04}"


def moment(timestamp: int) -> str:
    """`2027-01-03 04:05:06 UTC`."""
    if not 0 <= timestamp <= _LATEST:
        return f"timestamp {timestamp}"
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(seconds: int) -> str:
    """The two largest units of a time: `41 d 3 h`, `5 m 2 s`."""
    parts: list[str] = []
    left = seconds
    for unit, size in (("y", 365 * 86_400), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in parts[:2] if part) or "0 s"
