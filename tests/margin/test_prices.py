from margin.basics import Address
from margin.prices import Feed, FeedKey, Prices
from margin.units import WAD


def feed(base: str, quote: str | None, answer_raw: int = 100_000_000) -> Feed:
    return Feed(FeedKey("f"), Address("0x00"), "X", answer_raw, 8, base, quote)


def test_eth_minus_20_percent_moves_eth_usd_by_four_fifths() -> None:
    assert feed("ETH", None).shocked_raw({"ETH": -WAD // 5}) == 80_000_000


def test_eth_minus_20_percent_moves_usdc_eth_by_five_quarters() -> None:
    assert feed("USDC", "ETH").shocked_raw({"ETH": -WAD // 5}) == 125_000_000


def test_a_feed_between_two_tokens_of_one_factor_does_not_move() -> None:
    between = feed("ETH", "ETH")
    assert between.shocked_raw({"ETH": -WAD // 5}) == between.answer_raw
    assert not between.loads_on("ETH")
    assert feed("USDC", "ETH").loads_on("ETH")
    assert feed("USDC", "ETH").loads_on("USDC")
    assert not feed("USDC", "ETH").loads_on("BTC")


def test_a_shocked_answer_is_rounded_down_and_stays_positive() -> None:
    assert feed("ETH", None, 10).shocked_raw({"ETH": -WAD // 100}) == 9
    assert feed("ETH", None, 10).shocked_raw({"ETH": -WAD + 1}) == 1


def test_moving_a_price_leaves_the_prices_as_they_were() -> None:
    today = Prices({FeedKey("a"): 1, FeedKey("b"): 2})
    moved = today.moved(FeedKey("a"), 7)
    assert dict(today) == {"a": 1, "b": 2}
    assert dict(moved) == {"a": 7, "b": 2}
