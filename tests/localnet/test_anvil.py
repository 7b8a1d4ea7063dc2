from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localnet.anvil import GENESIS_TIMESTAMP, STATES_KEPT, Anvil, NodeError
from localnet.cache import cache_dir
from localnet.evm import Evm, Reverted
from localnet.solc import own
from margin.errors import LocalnetError

SOMEBODY = "0x" + "11" * 20


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    with Anvil.start() as running:
        yield running


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_stop_leaves_no_process() -> None:
    anvil = Anvil.start()
    pids = anvil.pid, anvil.guard_pid
    assert all(is_running(pid) for pid in pids)
    anvil.stop()
    anvil.stop()
    assert not any(is_running(pid) for pid in pids)
    with pytest.raises(LocalnetError, match="does not answer"):
        anvil.timestamp()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits on a process that is not our child")
def test_no_orphan_when_the_program_is_killed() -> None:
    code = "from localnet.anvil import Anvil; a = Anvil.start(); print(a.pid, flush=True); input()"
    root = Path(__file__).parents[2]
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, text=True
    )
    assert program.stdout is not None
    watched = os.pidfd_open(int(program.stdout.readline()))
    try:
        program.send_signal(signal.SIGKILL)
        program.communicate()
        assert select.select([watched], [], [], 30)[0] == [watched]
    finally:
        os.close(watched)


def test_a_node_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("nothing of the kind")
    with pytest.raises(LocalnetError, match=r"anvil ended at once: ."):
        Anvil.start(state=tmp_path / "state.json")


def test_time_stands_still_unless_told(anvil: Anvil) -> None:
    assert anvil.timestamp() == GENESIS_TIMESTAMP
    anvil.mine()
    assert anvil.timestamp() == GENESIS_TIMESTAMP
    anvil.mine(GENESIS_TIMESTAMP + 500)
    anvil.mine()
    assert anvil.timestamp() == GENESIS_TIMESTAMP + 500
    with pytest.raises(NodeError, match="lower than previous"):
        anvil.mine(GENESIS_TIMESTAMP)


def test_a_dumped_state_goes_on_where_it_stopped(anvil: Anvil, tmp_path: Path) -> None:
    feed = Evm(anvil).deploy(own("Feed"), "ETH / USD", 8, 5)
    anvil.mine(GENESIS_TIMESTAMP + 900)
    anvil.dump_state(tmp_path / "state.json")
    with Anvil.start(state=tmp_path / "state.json") as again:
        assert Evm(again).at(feed.address, feed.abi).call("latestAnswer") == 5
        again.mine()
        assert again.timestamp() == GENESIS_TIMESTAMP + 900
        assert again.block_number() == anvil.block_number() + 1


def test_a_fork_sees_the_chain_and_keeps_its_time(anvil: Anvil) -> None:
    feed = Evm(anvil).deploy(own("Feed"), "ETH / USD", 8, 5)
    with Anvil.start(fork_url=anvil.url) as fork:
        there = Evm(fork).at(feed.address, feed.abi)
        there.send("setAnswer", 6)
        assert (there.call("latestAnswer"), feed.call("latestAnswer")) == (6, 5)
        assert fork.timestamp() == anvil.timestamp()


def test_what_is_undone_is_undone(anvil: Anvil) -> None:
    feed = Evm(anvil).deploy(own("Feed"), "ETH / USD", 8, 5)
    before = anvil.block_number(), anvil.timestamp()
    with anvil.undone():
        feed.send("setAnswer", 6, at=GENESIS_TIMESTAMP + 60)
        assert feed.call("latestAnswer") == 6
    assert (anvil.block_number(), anvil.timestamp(), feed.call("latestAnswer")) == (*before, 5)
    with pytest.raises(LocalnetError, match="no snapshot"):
        anvil.revert("0xffff")


def test_a_transaction_right_after_a_revert_is_not_lost(anvil: Anvil) -> None:
    feed = Evm(anvil).deploy(own("Feed"), "ETH / USD", 8, 5)
    for answer in range(100):
        with anvil.undone():
            feed.send("setAnswer", answer, sender=SOMEBODY)
    assert feed.call("latestAnswer") == 5


def test_storage_and_code_move_without_a_block(anvil: Anvil) -> None:
    feed = Evm(anvil).deploy(own("Feed"), "ETH / USD", 8, 5)
    block = anvil.block_number()
    anvil.set_storage(feed.address, 0, 7)
    assert feed.call("latestRoundData")[1] == 7
    anvil.set_code(feed.address, bytes.fromhex("5f5ffd"))  # reverts with nothing
    with pytest.raises(Reverted) as refusal:
        feed.call("latestAnswer")
    assert refusal.value.reason == ""
    assert anvil.block_number() == block


def test_old_states_do_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMARGIN_CACHE", str(cache_dir()))
    monkeypatch.setenv("HOME", str(tmp_path))
    with Anvil.start() as anvil:
        for _ in range(3 * STATES_KEPT):
            anvil.mine()
        number = hex(anvil.block_number() - STATES_KEPT // 2)
        assert anvil.request("eth_getBalance", anvil.request("eth_accounts")[0], number)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
