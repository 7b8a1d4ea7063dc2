"""What the error objects of many nodes mean."""

from __future__ import annotations

import pytest

from chain.answers import Reverted, Throttled, TooBig, judge
from margin.basics import Reason
from margin.errors import EndpointError


@pytest.mark.parametrize(
    ("code", "message", "data", "reason"),
    [
        (3, "execution reverted: no", None, Reason.REVERTED),
        (3, "execution reverted: rate limit exceeded, timeout, header not found", None, Reason.REVERTED),
        (-32000, "execution reverted", "0x", Reason.REVERTED),
        (-32015, "VM execution error.", "Reverted 0x4e487b710000", Reason.REVERTED),
        (-32000, "invalid opcode: INVALID", None, Reason.REVERTED),
        (-32603, "EVM error InvalidFEOpcode", None, Reason.REVERTED),
        (-32000, "out of gas", None, Reason.REVERTED),
        (-32000, "gas required exceeds allowance (50000000)", None, Reason.REVERTED),
        (-32000, "header not found", None, Reason.BLOCK_NOT_FOUND),
        (-32000, "missing trie node 3f (path ) state 0x1 is not available", None, Reason.BLOCK_NOT_FOUND),
        (-32001, "Resource not found", None, Reason.BLOCK_NOT_FOUND),
        (
            -32602,
            "BlockOutOfRangeError: block height is 0 but requested was 65535",
            None,
            Reason.BLOCK_NOT_FOUND,
        ),
        (-32005, "limit exceeded", None, Reason.RATE_LIMITED),
        (-32097, "exceeded its compute units per second capacity", None, Reason.RATE_LIMITED),
        (429, "", None, Reason.RATE_LIMITED),
        (-32601, "Method not found", None, Reason.UNSUPPORTED),
        (-32602, "invalid params", None, Reason.UNSUPPORTED),
        (-32603, "oops", None, Reason.RPC_ERROR),
        ("x", None, None, Reason.RPC_ERROR),
    ],
)
def test_errors_of_many_nodes_are_told_apart(
    code: object, message: object, data: object, reason: Reason
) -> None:
    verdict = judge("l", {"code": code, "message": message, "data": data}, ())
    found = verdict.unread.reason if isinstance(verdict, EndpointError) else verdict.reason
    assert found is reason
    assert isinstance(verdict, Reverted) == (reason is Reason.REVERTED)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("execution aborted (timeout = 5s)", TooBig),
        ("request entity too large", TooBig),
        ("response size exceeded", TooBig),
        ("query returned more than 10000 results", TooBig),
        ("batch limit 100 exceeded", TooBig),
        ("Your app has exceeded its rate limit", Throttled),
    ],
)
def test_questions_too_big_are_told_from_rate_limits(message: str, kind: type[EndpointError]) -> None:
    assert type(judge("l", {"code": -32005, "message": message}, ())) is kind


@pytest.mark.parametrize("error", [None, 1, "no", [], {}])
def test_an_error_of_any_shape_is_survived(error: object) -> None:
    assert isinstance(judge("l", error, ()), EndpointError)
