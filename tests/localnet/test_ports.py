from __future__ import annotations

import socket

import pytest

from localnet import ports
from localnet.ports import claim_port
from margin.errors import LocalnetError


@pytest.fixture
def only_port(monkeypatch: pytest.MonkeyPatch) -> int:
    port, claim = claim_port()
    claim.close()
    monkeypatch.setattr(ports, "FIRST", port)
    monkeypatch.setattr(ports, "COUNT", 1)
    return port


def test_a_claimed_port_is_nobody_elses_until_it_is_given_back(only_port: int) -> None:
    port, claim = claim_port()
    assert port == only_port
    with pytest.raises(LocalnetError, match="no port is free"):
        claim_port()
    claim.close()
    again, claim = claim_port()
    claim.close()
    assert again == port


def test_a_port_that_somebody_listens_at_is_not_claimed(only_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", only_port))
        other.listen()
        with pytest.raises(LocalnetError, match="no port is free"):
            claim_port()
