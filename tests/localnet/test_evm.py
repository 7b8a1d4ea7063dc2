from __future__ import annotations

from collections.abc import Iterator

import pytest

from localnet import codec
from localnet.anvil import Anvil
from localnet.artifacts import Artifact, parse
from localnet.evm import DEPLOYER, Evm, Reverted
from localnet.solc import compile_standard, own
from margin.errors import LocalnetError

SOMEBODY = "0x" + "11" * 20

PROBE = """
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
contract Probe {
    struct Inner { address who; uint8[] parts; }
    struct Outer { Inner inner; string word; }
    error TooMuch(uint256 wanted, uint256 held);
    event Seen(address indexed who, string word, uint256 count);
    uint256 public immutable born;
    constructor(uint256 born_) { require(born_ != 0, "not born"); born = born_; }
    function custom() external pure { revert TooMuch(2, 1); }
    function overflow(uint8 x) external pure returns (uint8) { return x + 1; }
    function plain() external pure { revert(); }
    function echo(Outer[] calldata items) external returns (Outer[] memory) {
        emit Seen(items[0].inner.who, items[0].word, items.length);
        return items;
    }
    function over(uint256) external pure returns (uint256) { return 1; }
    function over(address) external pure returns (uint256) { return 2; }
    function time() external view returns (uint256) { return block.timestamp; }
}
"""


@pytest.fixture(scope="module")
def probe_artifact() -> Artifact:
    answer = compile_standard(
        {
            "language": "Solidity",
            "sources": {"Probe.sol": {"content": PROBE}},
            "settings": {"outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}}},
        }
    )
    found = answer["contracts"]["Probe.sol"]["Probe"]
    return Artifact("Probe", found["abi"], found["evm"]["bytecode"]["object"], {})


@pytest.fixture(scope="module")
def evm() -> Iterator[Evm]:
    with Anvil.start() as anvil:
        yield Evm(anvil)


@pytest.mark.parametrize(
    ("function", "args", "reason", "arguments"),
    [
        ("custom", (), "TooMuch", (2, 1)),
        ("overflow", (255,), "panic 0x11", ()),
        ("plain", (), "", ()),
    ],
)
def test_a_refusal_says_why_and_mines_no_block(
    evm: Evm, probe_artifact: Artifact, function: str, args: tuple[int, ...], reason: str, arguments: object
) -> None:
    probe = evm.deploy(probe_artifact, 1)
    block = evm.anvil.block_number()
    for act in (probe.call, probe.send):
        with pytest.raises(Reverted) as refusal:
            act(function, *args)
        assert (refusal.value.reason, refusal.value.arguments) == (reason, arguments)
        assert refusal.value.what == f"Probe.{function}"
    assert evm.anvil.block_number() == block


def test_a_constructor_that_refuses(evm: Evm, probe_artifact: Artifact) -> None:
    with pytest.raises(Reverted, match="Probe constructor reverted: not born"):
        evm.deploy(probe_artifact, 0)


def test_structs_go_by_name_and_come_back_with_checksums(evm: Evm, probe_artifact: Artifact) -> None:
    probe = evm.deploy(probe_artifact, 1)
    item = {"word": "w", "inner": {"parts": [1, 2], "who": DEPLOYER.lower()}, "more": "left behind"}
    assert probe.call("echo", [item]) == (((DEPLOYER, (1, 2)), "w"),)
    receipt = probe.send("echo", [item, item])
    assert probe.events(receipt, "Seen") == [{"who": DEPLOYER, "word": "w", "count": 2}]
    with pytest.raises(LocalnetError, match="lacks word"):
        probe.call("echo", [{"inner": item["inner"]}])


def test_overloads_need_the_full_signature(evm: Evm, probe_artifact: Artifact) -> None:
    probe = evm.deploy(probe_artifact, 1)
    with pytest.raises(LocalnetError, match="2 functions over"):
        probe.call("over", 1)
    assert probe.call("over(address)", DEPLOYER) == 2
    with pytest.raises(LocalnetError, match="0 functions nothing"):
        probe.call("nothing")


def test_a_call_can_look_at_another_time(evm: Evm, probe_artifact: Artifact) -> None:
    probe = evm.deploy(probe_artifact, 1)
    now = evm.anvil.timestamp()
    times = [probe.call("time"), probe.call("time", at=now + 10**8), probe.call("time", at=now - 10**8)]
    assert times == [now, now + 10**8, now - 10**8]


def test_no_contract_is_not_an_empty_answer(evm: Evm) -> None:
    with pytest.raises(LocalnetError, match="no contract at"):
        evm.at(SOMEBODY, own("Feed").abi).call("latestAnswer")


def test_a_library_that_lacks_is_named() -> None:
    content = b"""{"abi": [], "bytecode": {"object": "0x60__$aa$__", "linkReferences":
        {"A.sol": {"Lib": [{"start": 1, "length": 20}]}}}}"""
    with pytest.raises(LocalnetError, match="Thing needs the library Lib"):
        parse("Thing", content).linked({})
    with pytest.raises(LocalnetError, match="cannot be read"):
        parse("Thing", b"[]")


def test_returned_bytes_that_are_no_known_error_stay_bytes() -> None:
    assert codec.decode_revert(bytes.fromhex("08c379a0ff"), {}) == ("0x08c379a0ff", ())


def test_solc_reports_the_first_error() -> None:
    with pytest.raises(LocalnetError, match=r"solc: .*Error"):
        compile_standard({"language": "Solidity", "sources": {"A.sol": {"content": "contract {"}}})


def test_feed_rounds(evm: Evm) -> None:
    feed = evm.deploy(own("Feed"), "ETH / USD", 8, 100)
    start = evm.anvil.timestamp()
    feed.send("setAnswer", 110, at=start + 60)
    feed.send("setAnswerAt", -1, start + 30)
    first = (1 << 64) + 1
    assert feed.call("latestRoundData") == (first + 2, -1, start + 30, start + 30, first + 2)
    assert feed.call("getRoundData", first + 1) == (first + 1, 110, start + 60, start + 60, first + 1)
    with pytest.raises(Reverted, match="No data present"):
        feed.call("getRoundData", first + 3)
    feed.send("setBroken", True)
    with pytest.raises(Reverted, match="feed is broken"):
        feed.call("latestAnswer")


@pytest.mark.parametrize("symbol", ["@everyone **x**", "\x1b[31m\x00\n", "=1+1", "x" * 10_000, ""])
def test_tokens_may_be_hostile(evm: Evm, symbol: str) -> None:
    token = evm.deploy(own("Token"), symbol, symbol, 255)
    assert (token.call("symbol"), token.call("decimals")) == (symbol, 255)


def test_tokens_of_other_shapes(evm: Evm) -> None:
    old = evm.deploy(own("Bytes32Token"), b"Maker".ljust(32, b"\0"), b"MKR".ljust(32, b"\0"), 18)
    assert old.call("symbol").rstrip(b"\0") == b"MKR"
    assert not evm.deploy(own("NoDecimalsToken"), "n", "N").has("decimals")
    old.send("mint", SOMEBODY, 5)
    with pytest.raises(Reverted, match="balance too small"):
        old.send("transfer", DEPLOYER, 6, sender=SOMEBODY)
    old.send("transfer", DEPLOYER, 5, sender=SOMEBODY)
    assert old.call("balanceOf", DEPLOYER) == 5
