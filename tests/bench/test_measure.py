from __future__ import annotations

import pytest

from bench.measure import Ratio, Way, race
from bench.naive import entry
from bench.row import Different, same
from chain.abi import Function
from chain.multicall import MULTICALL3
from localnet.anvil import Anvil
from localnet.multicall3 import place_multicall3


def test_ways_take_turns_and_each_begins_at_times() -> None:
    done: list[str] = []
    ways = [Way(lambda name=name: done.append(name), 1) for name in "abc"]  # type: ignore[misc]
    race(*ways, repeats=3)
    assert "".join(done) == "abc" + "abc" + "bca" + "cab"


def test_a_ratio_is_of_units_not_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock that moves a second each time it is looked at: every piece of work takes one second.
    ticks = iter(range(1000))
    monkeypatch.setattr("bench.measure.time.perf_counter", lambda: float(next(ticks)))
    times = race(Way(lambda: None, 10), Way(lambda: None, 2_000), Way(lambda: None, 5), repeats=4)
    assert times.ratio() == Ratio(200, 200, 200, 4)
    assert times.ratio(1).median == 0.5
    assert (times.per_second(), times.baseline_per_second) == (2_000, 10)


def test_a_short_way_is_run_until_its_turn_is_over() -> None:
    done: list[float] = []
    race(Way(lambda: done.append(1.0), 1), repeats=2, at_least_s=0.001)
    assert len(done) > 3


def test_the_spread_is_of_the_repetitions() -> None:
    assert Ratio.of([3.0, 1.0, 8.0]) == Ratio(3.0, 1.0, 8.0, 3)


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [([1, 2], [1, 3], "x, number 1: 2 is not 3"), ([1], [], "x, how many: 1 is not 0")],
)
def test_answers_that_differ_are_named(ours: list[int], theirs: list[int], told: str) -> None:
    with pytest.raises(Different, match=told):
        same("x", ours, theirs)
    same("x", ours, ours)


def test_a_struct_is_written_with_its_components() -> None:
    found = entry(Function("f(address,(uint8,bool)[])", "(uint16,(string,address)[2]),bytes"))
    assert [item["type"] for item in found["inputs"]] == ["address", "tuple[]"]
    assert [item["type"] for item in found["inputs"][1]["components"]] == ["uint8", "bool"]
    assert [item["type"] for item in found["outputs"]] == ["tuple", "bytes"]
    inner = found["outputs"][0]["components"][1]
    assert (inner["type"], len(inner["components"])) == ("tuple[2]", 2)


def test_multicall3_is_the_deployed_one() -> None:
    with Anvil.start() as anvil:
        place_multicall3(anvil, MULTICALL3)
        code = anvil.request("eth_getCode", MULTICALL3, "latest")
    assert len(code) == 2 + 2 * 3808
