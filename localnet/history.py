"""A node whose history is written down as it is made, for states with very many transactions.

Anvil keeps and dumps a trace of every call inside a transaction: some 25 kB for one action on a
lending market, ten times its logs. A crowd's traces would fill gigabytes. So the node here forgets
the bodies of old blocks, transactions and receipts are read when they are mined, and a state is
put together from the node's accounts and what was written down. Traces are lost; blocks,
transactions, receipts and logs are the chain's own.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from localnet.anvil import Anvil
from margin.errors import LocalnetError

BLOCKS_KEPT = 2
"""Of the newest blocks: enough to read a transaction after it was mined."""
LEVEL = 1
"""Of the compression: logs are mostly zeros, and a higher level only takes longer."""
SENT = "eth_sendTransactionSync"
FIELDS = ("type", "chainId", "nonce", "gasPrice", "gas", "to", "value", "input", "r", "s", "v", "hash")


class RecordedAnvil(Anvil):
    """An Anvil that writes down every transaction it is sent; `record_state` instead of `dump_state`.

    Made by `open`. What is sent must not be reverted.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, log: IO[bytes], claim: IO[bytes] | None
    ) -> None:
        super().__init__(process, port, log, claim)
        self._bodies: dict[int, list[Any]] = {}
        """Block number → transactions, as a state has them."""
        self._transactions: list[bytes] = []
        """Each with its receipt, as JSON: objects would take ten times the memory."""

    @classmethod
    def open(cls, state: Path) -> RecordedAnvil:
        """Starts on a state written by `dump_state`."""
        anvil = cls.start(state=state, blocks_kept=BLOCKS_KEPT)
        before = json.loads(state.read_bytes())
        for block in before["blocks"]:
            anvil._bodies[int(block["header"]["number"], 16)] = block["transactions"]
        for known in before["transactions"]:
            known["info"]["traces"] = []
            anvil._transactions.append(_packed(known))
        return anvil

    def request(self, method: str, *params: object) -> Any:
        """See `Anvil.request`."""
        answer = super().request(method, *params)
        if method == SENT:
            self._write_down(answer)
        return answer

    def record_state(self, path: Path) -> None:
        """Writes the present state, compressed; `plain` gives what `Anvil.start` takes."""
        packed = bytes.fromhex(str(self.request("anvil_dumpState"))[2:])
        document = json.loads(zlib.decompress(packed, wbits=31))
        for block in document["blocks"]:
            number = int(block["header"]["number"], 16)
            block["transactions"] = self._bodies.get(number, [])
        document.pop("transactions")
        with gzip.open(path, "wb", LEVEL) as file:
            file.write(_packed(document)[:-1] + b',"transactions":[')
            for place, transaction in enumerate(self._transactions):
                file.write(b"," * (place > 0) + transaction)
            file.write(b"]}")

    def _write_down(self, receipt: dict[str, Any]) -> None:
        sent = super().request("eth_getTransactionByHash", receipt["transactionHash"])
        if sent is None:
            raise LocalnetError("anvil forgot a transaction before it was written down")
        body = {field: sent[field] for field in FIELDS}
        number = int(receipt["blockNumber"], 16)
        self._bodies.setdefault(number, []).append({"transaction": body, "impersonated_sender": sent["from"]})
        logs = [{field: log[field] for field in ("address", "topics", "data")} for log in receipt["logs"]]
        kept = {field: receipt[field] for field in ("type", "status", "cumulativeGasUsed", "logsBloom")}
        info = {
            "transaction_hash": receipt["transactionHash"],
            "transaction_index": int(receipt["transactionIndex"], 16),
            "from": receipt["from"],
            "to": receipt["to"],
            "contract_address": receipt["contractAddress"],
            "traces": [],
            "exit": "Return" if receipt["status"] == "0x1" else "Revert",
            "out": "0x",
            "nonce": int(sent["nonce"], 16),
            "gas_used": int(receipt["gasUsed"], 16),
        }
        whole = {"info": info, "receipt": kept | {"logs": logs}, "block_number": number}
        self._transactions.append(_packed(whole | {"block_hash": receipt["blockHash"]}))


@contextmanager
def plain(path: Path) -> Iterator[Path]:
    """A state written by `record_state`, as a plain file for as long as the block lasts."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        with gzip.open(path, "rb") as packed:
            shutil.copyfileobj(packed, file, 1 << 20)
        file.flush()
        yield Path(file.name)


def _packed(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
