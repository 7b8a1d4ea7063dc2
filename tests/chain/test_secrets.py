"""A key in an endpoint's URL shows in no error, no text, no repr and no log, whatever goes wrong."""

from __future__ import annotations

import dataclasses
import gc
import logging
import traceback
from urllib.parse import unquote

import pytest
import requests

from chain.abi import to_address
from chain.block import pin
from chain.endpoint import Endpoint, endpoints_of, redact
from chain.reader import Reader
from chain.rpc import Rpc
from chain.transport import Connection
from margin.basics import BlockRef
from margin.errors import ConfigError, ReadError
from tests import faults
from tests.chain.conftest import MakeRpc
from tests.chain.contracts import ECHO
from tests.chain.test_rpc import failing
from tests.faults import FaultProxy

SECRETS = ("hunter2pass", "k3y-in-the-path", "k3y-in-the-query", "s3cret-user")


def secret_url(proxy: FaultProxy) -> str:
    host = proxy.url.removeprefix("http://")
    return f"http://s3cret-user:hunter2pass@{host}/v3/k3y-in-the-path?apikey=k3y-in-the-query#part"


def chained(error: BaseException | None) -> str:
    told = ""
    while error is not None:
        told += f"{error!s} {error!r} {error.args!r} {getattr(error, '__notes__', '')}"
        told += "".join(traceback.format_exception(error))
        error = error.__cause__ or error.__context__
    return told


@pytest.mark.parametrize("name", [*failing(), "an error that repeats the URL", "nothing"])
def test_no_secret_shows(
    name: str,
    proxy: FaultProxy,
    make_rpc: MakeRpc,
    block: BlockRef,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    url = secret_url(proxy)
    rpc = make_rpc(url, max_body_bytes=100_000)
    told = [repr(rpc), repr(rpc.nodes), repr(rpc.nodes[0].endpoint), str(rpc.nodes[0].endpoint)]
    assert pin(rpc) == block
    if name == "an error that repeats the URL":
        proxy.add(faults.NodeError(-32000, f"no such project k3y-in-the-path at {url}", times=None))
    elif name != "nothing":
        proxy.add(failing()[name])
    for task in (lambda: pin(rpc), lambda: rpc.request("eth_blockNumber")):
        try:
            told.append(repr(task()))
        except ReadError as error:
            told.append(chained(error))
    reader = Reader(rpc, block)
    told += [repr(reader.code([ECHO])), repr(reader), repr(reader.raw([(ECHO, b"")]))]
    gc.collect()
    out = capfd.readouterr()
    told += [caplog.text, out.out, out.err, "".join(f"{r.args!r}{r.exc_info!r}" for r in caplog.records)]
    for secret in SECRETS:
        assert not any(secret in text for text in told)
    assert "urllib3" in "".join(record.name for record in caplog.records), "the logs were looked at"


@pytest.mark.parametrize("user", ["s3cret-user:hunter2pass", "s3cret-user", ":hunter2pass", "%C3%A9ve:a%40b"])
def test_a_node_that_repeats_the_header_it_was_asked_with(
    user: str, proxy: FaultProxy, make_rpc: MakeRpc
) -> None:
    rpc = make_rpc(proxy.url.replace("//", f"//{user}@"))
    login, _, word = unquote(user).partition(":")
    header = requests.auth._basic_auth_str(login, word)
    proxy.add(
        faults.NodeError(-32000, f"not allowed with {header} here", times=None, method="eth_blockNumber")
    )
    with pytest.raises(ReadError) as caught:
        rpc.request("eth_blockNumber")
    assert "not allowed with Basic" in str(caught.value)
    assert header.removeprefix("Basic ") not in chained(caught.value)


@pytest.mark.parametrize("url", ["ftp://h/k3y-in-the-path", "http:///k3y-in-the-path", "k3y-in-the-path"])
def test_a_bad_url_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Rpc.open("local", [url])
    assert "k3y-in-the-path" not in chained(caught.value)
    assert "local[0]" in str(caught.value)


def test_an_endpoint_shows_its_label_only() -> None:
    endpoint = Endpoint("https://u5ername:passw0rd@node.example:8545/v3/abcdef?key=ghijkl", "ethereum[0]")
    assert str(endpoint) == "ethereum[0]"
    assert repr(endpoint) == "Endpoint(label='ethereum[0]')"
    assert endpoint.host == "node.example"
    assert not endpoint.is_loopback
    assert repr(Connection(endpoint, 1)) == "Connection(ethereum[0])"
    assert [e.label for e in endpoints_of("x", ["http://a", "http://b"])] == ["x[0]", "x[1]"]
    assert dataclasses.replace(endpoint, url="http://[::1]:8545").is_loopback


def test_redaction_leaves_plain_words() -> None:
    endpoint = Endpoint("https://node.example/rpc/v1/0123456789abcdef", "x[0]")
    said = redact("rpc v1 failed for 0123456789abcdef at https://other.example/a?b", endpoint.secrets)
    assert said == "rpc v1 failed for … at <url>"
    assert to_address(ECHO) in redact(f"call of {ECHO}", endpoint.secrets)
