"""One Anvil process under our control.

Learnt about Anvil 1.7.1, and relied on here:

- With `anvil_setBlockTimestampInterval(0)` a new block takes its parent's timestamp, unless
  `evm_setNextBlockTimestamp` chose one (never lower than the parent's). The wall clock plays no
  part then, and `evm_increaseTime` does nothing.
- `eth_call` at `latest` runs at the latest block's timestamp; its fourth parameter overrides
  the block (`{"time": …}`, later or earlier), its third the state. About 0.2 ms a call.
- A transaction without `gasPrice` is priced above a zero base fee and refused; with
  `gasPrice` 0 and `--auto-impersonate` any address sends without ether or key.
- A loaded state answers calls at its newest block, not at older ones. Its clock is forgotten: the
  interval above is set again, and `evm_setTime` tells the node what its own last block says, or
  the next block would be of today. The same goes for a fork.
- A receipt arrives a moment before its transaction leaves the pool. A revert in that moment lets
  the pool drop the sender's next transaction, which has the same nonce, and its receipt never
  comes. So `revert` first waits until the pool is empty.
- Unless its history is pruned it writes the states of old blocks below the user's home, and leaves
  them there when it is killed: tens of gigabytes after a day of tests.
- Options such as `--no-storage-caching` are refused without a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import subprocess
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from localnet.cache import write_atomically
from localnet.packages import anvil_binary
from localnet.ports import claim_port
from margin.errors import LocalnetError

GENESIS_TIMESTAMP = 1_700_000_000
START_SECONDS = 30.0
STOP_SECONDS = 5.0
REQUEST_SECONDS = 120.0
SETTLE_ROUNDS = 10_000
STATES_KEPT = 200
"""How many blocks back a call can be pinned. The rest would go to the user's disk: gigabytes an hour."""
GAS_LIMIT = 1_000_000_000
MAX_GAS = 500_000_000
"""Gas given to each transaction: no estimate, and no transaction here comes near it."""


class NodeError(LocalnetError):
    """The node answered a request with an error."""

    def __init__(self, method: str, code: int, message: str, data: object) -> None:
        self.method = method
        self.code = code
        self.message = message
        self.data = data
        """The error's `data`, for a reverted call the returned bytes as 0x hex."""
        super().__init__(f"anvil, {method}: {message}")


class Anvil:
    """A running Anvil; use `Anvil.start`, and `with` or `stop()` to end it.

    One thread at a time: requests share a connection. Other clients may use `url` meanwhile.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, log: IO[bytes], claim: IO[bytes] | None
    ) -> None:
        self._process = process
        self._guard = _guard(process.pid)
        self._log, self._claim = log, claim
        self._port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
        self._next_id = 0
        self.url = f"http://127.0.0.1:{port}"

    @classmethod
    def start(
        cls,
        *,
        state: Path | None = None,
        fork_url: str | None = None,
        timestamp: int | None = None,
        number: int | None = None,
        chain_id: int | None = None,
        code_size_limit: int | None = None,
        blocks_kept: int | None = None,
        port: int = 0,
    ) -> Self:
        """Starts Anvil and waits until it answers.

        `state`: a file written by `dump_state`. `fork_url`: a node to fork at its head.
        `timestamp`, `number`: of the genesis block, seconds; not with `state` or `fork_url`.
        `code_size_limit`: bytes, above EIP-170's. `blocks_kept`: of older blocks than that many
        the transactions, logs and states are forgotten; if not given, only states are, and later.
        `port` 0: a free one.
        Raises LocalnetError when it does not come up.
        """
        claim = None
        if not port:
            port, claim = claim_port()
        command = [str(anvil_binary()), "--port", str(port), "--accounts", "1", "--quiet"]
        command += ["--gas-limit", str(GAS_LIMIT), "--base-fee", "0", "--gas-price", "0"]
        states = STATES_KEPT if blocks_kept is None else blocks_kept
        command += ["--auto-impersonate", "--no-request-size-limit", "--prune-history", str(states)]
        if state is not None:
            command += ["--load-state", str(state)]
        if fork_url is not None:
            command += ["--fork-url", fork_url, "--no-storage-caching", "--no-rate-limit"]
        if state is None and fork_url is None:
            command += ["--timestamp", str(GENESIS_TIMESTAMP if timestamp is None else timestamp)]
        if number is not None:
            command += ["--number", str(number)]
        if chain_id is not None:
            command += ["--chain-id", str(chain_id)]
        if code_size_limit is not None:
            command += ["--code-size-limit", str(code_size_limit)]
        if blocks_kept is not None:
            command += ["--transaction-block-keeper", str(blocks_kept)]
        log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process; stop() closes it
        try:
            # A session of its own: Ctrl-C is for this program, which then stops the node itself.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        except OSError as error:
            log.close()
            if claim is not None:
                claim.close()
            raise LocalnetError(f"anvil does not start: {error.strerror}") from error
        anvil = cls(process, port, log, claim)
        atexit.register(anvil.stop)
        try:
            anvil._wait_until_up()
            anvil._take_over_the_clock()
        except BaseException:
            anvil.stop()
            raise
        return anvil

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def guard_pid(self) -> int:
        """The process id of the shell that would end the node after us."""
        return self._guard.pid

    def stop(self) -> None:
        """Ends the process: terminate, wait, kill. Safe to call again."""
        atexit.unregister(self.stop)
        self._connection.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # somebody ended the guard already
                self._guard.communicate(b"stopped\n")
        self._log.close()
        if self._claim is not None:
            self._claim.close()

    def request(self, method: str, *params: object) -> Any:
        """The result of one JSON-RPC request, as JSON gives it.

        Raises NodeError with the node's own message, LocalnetError when it does not answer.
        """
        self._next_id += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params})
        try:
            self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            # A fresh connection for the next request: this one may hold half an answer.
            self._connection.close()
            raise LocalnetError(f"anvil does not answer {method}: {type(error).__name__}") from error
        if "error" in answer:
            fault = answer["error"]
            raise NodeError(method, int(fault["code"]), str(fault["message"]), fault.get("data"))
        return answer["result"]

    def timestamp(self) -> int:
        """The latest block's timestamp, seconds."""
        return int(self.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def block_number(self) -> int:
        """The latest block's number."""
        return int(self.request("eth_blockNumber"), 16)

    def set_next_timestamp(self, timestamp: int) -> None:
        """Chooses the next block's timestamp; not lower than the latest block's."""
        self.request("evm_setNextBlockTimestamp", timestamp)

    def mine(self, timestamp: int | None = None) -> None:
        """Mines one block, at `timestamp` or else at its parent's."""
        if timestamp is not None:
            self.set_next_timestamp(timestamp)
        self.request("evm_mine")

    def snapshot(self) -> str:
        """Marks the present state; the id serves `revert` once."""
        return str(self.request("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Goes back to a snapshot, blocks and time included; LocalnetError if it is used up."""
        self._settle()
        if self.request("evm_revert", snapshot) is not True:
            raise LocalnetError(f"anvil has no snapshot {snapshot}")

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Whatever is done inside the block is undone after it, time included."""
        snapshot = self.snapshot()
        try:
            yield
        finally:
            self.revert(snapshot)

    def set_storage(self, address: str, slot: int, word: int) -> None:
        """Writes one 32-byte storage word, without a block."""
        self.request("anvil_setStorageAt", address, f"0x{slot:064x}", f"0x{word:064x}")

    def set_code(self, address: str, code: bytes) -> None:
        """Puts a program at an address, without a deployment."""
        self.request("anvil_setCode", address, "0x" + code.hex())

    def set_balance(self, address: str, wei: int) -> None:
        """Sets an address's ether balance."""
        self.request("anvil_setBalance", address, hex(wei))

    def impersonate(self, address: str) -> None:
        """Lets clients that ask `eth_accounts` first send as this address.

        Not needed for requests made here: the node accepts every sender.
        """
        self.request("anvil_impersonateAccount", address)

    def dump_state(self, path: Path) -> None:
        """Writes the chain's present state for `Anvil.start(state=…)`; old blocks are not callable."""
        packed = bytes.fromhex(str(self.request("anvil_dumpState"))[2:])
        # The request answers gzip; the option that loads a state wants plain JSON.
        write_atomically(path, zlib.decompress(packed, wbits=31))

    def _wait_until_up(self) -> None:
        """Returns once the node answers; LocalnetError if it ends first or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._process.poll() is not None:
                raise LocalnetError(f"anvil ended at once: {self._log_tail()}")
            try:
                self.request("eth_chainId")
            except NodeError:
                raise
            except LocalnetError as error:
                if time.monotonic() > deadline:
                    raise LocalnetError("anvil did not come up in time") from error
                time.sleep(0.005)
            else:
                return

    def _settle(self) -> None:
        """Returns once no transaction is left in the pool."""
        for _ in range(SETTLE_ROUNDS):
            status = self.request("txpool_status")
            if int(status["pending"], 16) + int(status["queued"], 16) == 0:
                return
        raise LocalnetError("anvil keeps transactions that it has not mined")

    def _take_over_the_clock(self) -> None:
        """From here on a new block takes its parent's timestamp unless told otherwise."""
        self.request("anvil_setBlockTimestampInterval", 0)
        self.request("evm_setTime", self.timestamp())

    def _log_tail(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[0][:200] if lines else "no message"


def _guard(pid: int) -> subprocess.Popen[bytes]:
    """A shell that ends the node when this program dies without ending it, even by SIGKILL.

    It holds the other end of a pipe that closes with us; a line through the pipe dismisses it.
    """
    script = f"read -r _ || kill {pid}"
    return subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, start_new_session=True)
