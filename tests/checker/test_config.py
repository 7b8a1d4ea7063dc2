"""The configuration file: what is accepted, and the one line that each mistake brings."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from checker.bands import DEFAULT_BANDS
from checker.config import load_config
from checker.venues import places
from margin.errors import ConfigError
from tests.checker.conftest import Run

A = "0x2f39d218133AFaB8F2B819B1066c7E434Ad94E9e"
B = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
BAD_CHECKSUM = "0x2F39d218133AFaB8F2B819B1066c7E434Ad94E9e"
CHAIN = '[chains.local]\nrpc = ["http://127.0.0.1:1"]\n'
VENUE = '[[venues]]\nchain = "local"\nprotocol = "aave-v3"\n'
PARTS = VENUE.replace("aave-v3", "maker") + "".join(
    f'{key} = "{A}"\n' for key in ("vat", "spotter", "jug", "dog", "cdp_manager")
)
WALLET = f'[[wallets]]\nlabel = "treasury"\naddresses = ["{A}"]\n'
CHANNELS = "[[alerts.channels]]\n"

MISTAKES = [
    # (name, text, what the line says after the file's name)
    ("not TOML", "chains", "not valid TOML: "),
    ("a key twice", "a = 1\na = 2", "not valid TOML: "),
    ("unknown table", "[frob]\nx = 1", "frob: unknown key"),
    ("unknown key of a chain", CHAIN + "rcp = 1", "chains.local.rcp: unknown key"),
    ("chains is no table", "chains = 3", "chains: expected a table"),
    ("a chain is no table", "[chains]\nlocal = 4", "chains.local: expected a table"),
    ("a chain's name", '[chains."a/b"]\nrpc = "http://x"', 'chains."a/b": expected a short name'),
    ("no rpc", "[chains.local]\nchain_id = 1", "chains.local.rpc: missing"),
    ("empty rpc", "[chains.local]\nrpc = []", "chains.local.rpc: expected at least one"),
    ("rpc is no URL", '[chains.local]\nrpc = ["localhost:8545"]', "chains.local.rpc[0]: expected an http"),
    ("rpc of another kind", '[chains.local]\nrpc = ["ws://h/"]', "chains.local.rpc[0]: expected an http"),
    ("rpc is a number", "[chains.local]\nrpc = [8545]", "chains.local.rpc[0]: expected a text"),
    (
        "unset variable",
        '[chains.local]\nrpc = ["https://h/$NO_SUCH_KEY"]',
        "chains.local.rpc[0]: the environment variable NO_SUCH_KEY is not set",
    ),
    ("chain_id as text", CHAIN + 'chain_id = "1"', "chains.local.chain_id: should be a valid integer"),
    ("chain_id zero", CHAIN + "chain_id = 0", "chains.local.chain_id: should be greater than 0"),
    ("address_book", CHAIN + 'address_book = "no"', "chains.local.address_book: should be a valid boolean"),
    ("head age", CHAIN + 'max_head_age = "soon"', "chains.local.max_head_age: expected a time"),
    ("venue without chain", '[[venues]]\nprotocol = "aave-v3"', "venues[0].chain: missing"),
    ("venue on an unknown chain", VENUE.replace("local", "base"), "venues[0].chain: no chain 'base'"),
    (
        "unknown protocol",
        CHAIN + VENUE.replace("aave-v3", "aave-v33"),
        "venues[0].protocol: no protocol 'aave-v33'",
    ),
    ("no address", CHAIN + VENUE, "venues[0].pool_addresses_provider: missing"),
    (
        "bad checksum",
        CHAIN + VENUE + f'pool_addresses_provider = "{BAD_CHECKSUM}"',
        f"venues[0].pool_addresses_provider: address '{BAD_CHECKSUM}' has a wrong checksum",
    ),
    (
        "short address",
        CHAIN + VENUE + 'pool_addresses_provider = "0x12"',
        "venues[0].pool_addresses_provider: not an address",
    ),
    (
        "address is a number",
        CHAIN + VENUE + "pool_addresses_provider = 12",
        "venues[0].pool_addresses_provider: expected a text",
    ),
    (
        "foreign key",
        CHAIN + VENUE + f'pool_addresses_provider = "{A}"\ncomet = "{B}"',
        "venues[0].comet: unknown key",
    ),
    (
        "mistyped key, no text",
        CHAIN + VENUE + "pool_address_provider = 12",
        "venues[0].pool_address_provider: unknown key",
    ),
    (
        "mistyped key, a list",
        CHAIN + VENUE + f'pool_addresses_provider = "{A}"\nnmae = ["core"]',
        "venues[0].nmae: unknown key",
    ),
    (
        "venue's name",
        CHAIN + VENUE + f'name = "a b"\npool_addresses_provider = "{A}"',
        "venues[0].name: expected a short name",
    ),
    (
        "one part lacks",
        CHAIN + PARTS.replace("dog", "name"),
        "venues[0].dog: missing: maker needs this address",
    ),
    ("its ilks are a number", CHAIN + PARTS + "ilks = 3", "venues[0].ilks: expected "),
    ("no ilks", CHAIN + PARTS + "ilks = []", "venues[0].ilks: expected "),
    ("a bad optional address", CHAIN + PARTS + 'dai = "0x1"', "venues[0].dai: not an address"),
    ("venues is no list", "venues = 1", "venues: expected a list"),
    ("wallet without addresses", '[[wallets]]\nlabel = "x"', "wallets[0].addresses: missing"),
    ("wallet with none", "[[wallets]]\naddresses = []", "wallets[0].addresses: expected at least one"),
    (
        "wallet's bad address",
        f'[[wallets]]\naddresses = ["{A}", "{BAD_CHECKSUM}"]',
        "wallets[0].addresses[1]: address",
    ),
    ("label twice", WALLET + WALLET, 'wallets[1].label: "treasury" is the label of another wallet'),
    (
        "label like an address",
        f'[[wallets]]\nlabel = "{B}"\naddresses = ["{A}"]',
        "wallets[0].label: a label must not",
    ),
    (
        "label over lines",
        f'[[wallets]]\nlabel = "a\\nb"\naddresses = ["{A}"]',
        "wallets[0].label: expected 1 to 100",
    ),
    ("unknown bound", "[bands]\nwarning = { dorp = 1 }", "bands.warning.dorp: unknown key"),
    ("bound is a text", '[bands]\nwarning = { drop = "20%" }', "bands.warning.drop: expected a number"),
    ("bound is true", "[bands]\nwarning = { drop = true }", "bands.warning.drop: expected a number"),
    ("bound is nan", "[bands]\nwarning = { drop = nan }", "bands.warning.drop: expected a number"),
    ("bound is negative", "[bands]\ndanger = { hours = -1 }", "bands.danger.hours: expected a number"),
    (
        "drop in percent",
        "[bands]\nwarning = { drop = 20 }",
        "bands.warning.drop: expected a number from 0 to 1",
    ),
    (
        "drop above one",
        WALLET + "[wallets.bands]\ndanger = { drop = 1.01 }",
        "wallets[0].bands.danger.drop: expected a number from 0 to 1, a share: 0.20 is 20 %",
    ),
    ("unknown band", "[bands]\npanic = { drop = 1 }", "bands.panic: unknown key"),
    (
        "wallet's unknown bound",
        WALLET + "[wallets.bands]\ndanger = { x = 1 }",
        "wallets[0].bands.danger.x: unknown key",
    ),
    ("factor's address", '[factors]\n"0x12" = "ETH"', "factors.0x12: not an address"),
    ("factor is a number", "[factors]\nWETH = 1", "factors.WETH: expected a text"),
    ("channel without type", CHANNELS + 'url = "https://h/x"', "alerts.channels[0]: missing key: type"),
    ("channel of another type", CHANNELS + 'type = "fax"', "alerts.channels[0]: unknown type"),
    (
        "hook without TLS",
        CHANNELS + 'type = "discord"\nurl = "http://h/x"',
        "alerts.channels[0].url: expected an https",
    ),
    (
        "unknown key of a channel",
        CHANNELS + 'type = "discord"\nurl = "https://h/x"\nfoo = 1',
        "alerts.channels[0].foo: unknown key",
    ),
    (
        "min_band",
        CHANNELS + 'type = "discord"\nurl = "https://h/x"\nmin_band = "bad"',
        "alerts.channels[0].min_band: should be",
    ),
    (
        "mail without TLS",
        CHANNELS + 'type = "email"\nsmtp = "smtp://h"\nfrom = "a"\nto = ["b"]',
        "alerts.channels[0].smtp: expected an smtps",
    ),
    (
        "mail without from",
        CHANNELS + 'type = "email"\nsmtp = "smtps://h"\nto = ["b"]',
        "alerts.channels[0].from: missing",
    ),
    ("repeat_after", '[alerts]\nrepeat_after = "often"', "alerts.repeat_after: expected a time"),
    ("store", '[store]\nurl = "mysql://h"', "store.url: expected a sqlite"),
    ("watch", "[watch]\npace = 3", "watch.pace: unknown key"),
]


@pytest.mark.parametrize(("text", "says"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_one_line_naming_file_and_key(run: Run, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "crossmargin.toml").write_text(text)
    assert run("check", A, "--json").complaint.startswith(f"crossmargin.toml: {says}")


def test_the_file_is_named_as_the_user_named_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("x = 1")
    assert run("check", A, "--config", "mine.toml").complaint == "mine.toml: x: unknown key"
    assert "nowhere.toml: cannot be read" in run("check", A, "--config", "nowhere.toml").complaint
    assert "cannot be read" in run("check", A, "--config", str(tmp_path)).complaint
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    assert run("check", A, "--config", "bytes.toml").complaint == "bytes.toml: not valid TOML: not UTF-8 text"


FULL = f"""
[chains.local]
rpc = ["http://127.0.0.1:8545/$KEY/v${{VERSION}}"]
chain_id = 31337
max_head_age = "10m"
[chains.remote]
rpc = "http://node.example:8545"
address_book = false
max_head_age = false
[[venues]]
chain = "local"
protocol = "aave-v3"
name = "core"
pool_addresses_provider = "{A.lower()}"
[[wallets]]
label = "treasury"
addresses = ["{A}", "0x{B[2:].upper()}", "{A.lower()}"]
bands = {{ danger = {{ hours = 6 }}, warning = {{ drop = 0.5 }} }}
[[wallets]]
addresses = "{B}"
[bands]
warning = {{ health_factor = 1.5 }}
[factors]
"{B}" = "ETH"
WBTC = "BTC"
[alerts]
repeat_after = "6h"
[[alerts.channels]]
type = "discord"
url = "$HOOK"
min_band = "danger"
[[alerts.channels]]
type = "email"
smtp = "smtp://127.0.0.1:2525"
from = "risk@example.org"
to = ["ops@example.org"]
[[alerts.channels]]
type = "email"
smtp = "smtp://u:p@mail.example:587?starttls=true"
from = "risk@example.org"
to = "ops@example.org"
[store]
url = "sqlite:///crossmargin.db"
[watch]
interval = 15
"""


def test_everything_of_the_interface_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "full.toml"
    path.write_text(FULL)
    environment = {"KEY": "sesame", "VERSION": "2", "HOOK": "https://hooks.example/s3cr3t"}
    config = load_config(path, environment=environment)
    local, remote = config.chains
    assert local.urls == ("http://127.0.0.1:8545/sesame/v2",)
    assert (local.chain_id, local.max_head_age_s, local.address_book) == (31337, 600, True)
    assert (remote.max_head_age_s, remote.address_book, remote.venues) == (None, False, ())
    assert local.venues[0].addresses == {"pool_addresses_provider": A}
    assert local.venues[0].where.endswith("full.toml: venues[0].pool_addresses_provider")
    treasury, single = config.wallets
    assert (treasury.label, treasury.addresses, single.label) == ("treasury", (A, B), None)
    assert treasury.bands.danger.hours == 6
    assert treasury.bands.danger.drop == DEFAULT_BANDS.danger.drop
    assert (treasury.bands.warning.drop, treasury.bands.warning.health_factor) == (
        Decimal("0.5"),
        Decimal("1.5"),
    )
    assert single.bands == config.bands
    assert (config.factors_by_address, config.factors_by_symbol) == ({B: "ETH"}, {"WBTC": "BTC"})
    assert config.document.alerts.repeat_after == 6 * 3600
    shown = repr(config) + str(config.document)
    assert "sesame" not in shown
    assert "s3cr3t" not in shown


VARIABLES = """
[chains.local]
rpc = "http://127.0.0.1:1"
max_head_age = "$AGE"
[[venues]]
chain = "$CHAIN"
protocol = "aave-${KIND}"
name = "$NAME"
pool_addresses_provider = "$PROVIDER"
[[wallets]]
label = "${WHO}'s"
addresses = ["$OWNER", "0x$REST"]
[[wallets]]
label = "b"
addresses = "$OWNER"
[factors]
WETH = "$RISK"
[alerts]
repeat_after = "$AGE"
[[alerts.channels]]
type = "$TYPE"
smtp = "smtps://h"
from = "$SENDER"
to = ["$SENDER"]
min_band = "$BAND"
"""
ENVIRONMENT = {
    "AGE": "6h",
    "CHAIN": "local",
    "KIND": "v3",
    "NAME": "core",
    "PROVIDER": A,
    "WHO": "ann",
    "OWNER": A,
    "REST": B[2:],
    "RISK": "ETH",
    "TYPE": "email",
    "SENDER": "risk@example.org",
    "BAND": "danger",
}


def test_variables_are_taken_from_the_environment_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(VARIABLES)
    config = load_config(path, environment=ENVIRONMENT)
    (chain,) = config.chains
    assert (chain.max_head_age_s, chain.venues[0].protocol, chain.venues[0].name) == (
        21600,
        "aave-v3",
        "core",
    )
    assert chain.venues[0].addresses == {"pool_addresses_provider": A}
    assert [(w.label, w.addresses) for w in config.wallets] == [("ann's", (A, B)), ("b", (A,))]
    assert config.factors_by_symbol == {"WETH": "ETH"}
    assert config.document.alerts.channels[0].min_band == "danger"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("AGE", "s3cr3t", "chains.local.max_head_age: expected a time"),
        ("CHAIN", "s3cr3t", "venues[0].chain: no chain '$CHAIN' is configured"),
        ("KIND", "s3cr3t", "venues[0].protocol: no protocol 'aave-${KIND}'; there are "),
        ("NAME", "s3cr3t!", "venues[0].name: expected a short name"),
        ("PROVIDER", BAD_CHECKSUM, "venues[0].pool_addresses_provider: what $PROVIDER holds is no address"),
        ("PROVIDER", "s3cr3t", "venues[0].pool_addresses_provider: what $PROVIDER holds is no address"),
        ("REST", BAD_CHECKSUM[2:], "wallets[0].addresses[1]: what $REST holds is no address"),
        ("OWNER", BAD_CHECKSUM, "wallets[0].addresses[0]: what $OWNER holds is no address"),
        ("WHO", "s3cr3t\n", "wallets[0].label: expected 1 to 100 printable"),
        ("RISK", "s3cr3t\nx", "factors.WETH: expected 1 to 100 printable"),
        ("TYPE", "s3cr3t", "alerts.channels[0]: unknown type"),
        ("BAND", "s3cr3t", "alerts.channels[0].min_band: should be"),
        *((name, "", "the environment variable {name} is not set") for name in ENVIRONMENT),
    ],
)
def test_a_variable_with_a_mistake_is_told_by_its_name(
    tmp_path: Path, name: str, value: str, says: str
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(VARIABLES)
    with pytest.raises(ConfigError) as raised:
        load_config(path, environment={**ENVIRONMENT, name: value})
    assert says.replace("{name}", name) in str(raised.value)
    assert not value or value.strip() not in str(raised.value)


def test_a_label_from_the_environment_is_not_repeated_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(WALLET.replace("treasury", "$WHO") + WALLET.replace("treasury", "$WHO"))
    with pytest.raises(ConfigError, match=r'wallets\[1\]\.label: "\$WHO" is the label of another'):
        load_config(path, environment={"WHO": "s3cr3t"})


def test_an_address_that_is_all_of_one_entry_has_its_label_and_bands(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    bands = "[wallets.bands]\nwarning = { drop = 0.5 }\n"
    other = f'[[wallets]]\nlabel = "pair"\naddresses = ["{B}", "{A}"]\n'
    path.write_text(WALLET + bands + other)
    config = load_config(path)
    (found,) = config.select([A.lower()])
    assert (found.label, found.addresses, found.bands.warning.drop) == ("treasury", (A,), Decimal("0.5"))
    assert config.select([A, "treasury"]) == (found,)
    # The first of several addresses is not the entry: that would be a wallet with accounts not asked for.
    (single,) = config.select([B])
    assert (single.label, single.addresses, single.bands) == (None, (B,), config.bands)
    # Which of two entries is meant cannot be known.
    path.write_text(WALLET + bands + WALLET.replace("treasury", "again"))
    assert load_config(path).select([A])[0].label is None


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[chains.x]\nrpc = "$EMPTY"')
    with pytest.raises(ConfigError, match="variable EMPTY is not set"):
        load_config(path, environment={"EMPTY": ""})


def test_where_the_file_is_looked_for(run: Run, tmp_path: Path) -> None:
    assert "configuration: no wallet" in run("check").complaint
    home = tmp_path / "home" / ".config" / "crossmargin"
    home.mkdir(parents=True)
    (home / "crossmargin.toml").write_text("[home]")
    assert "home: unknown key" in run("check").complaint
    (tmp_path / "crossmargin.toml").write_text("[here]")
    assert run("check").complaint == "crossmargin.toml: here: unknown key"


def test_rpc_on_the_command_line_stands_for_the_files(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[chains.x]\nchain_id = 5\n")
    config = load_config(
        path, rpc={"x": ["http://$H/"], "y": ["http://b", "http://c"]}, environment={"H": "a"}
    )
    assert [(c.name, c.urls, c.chain_id) for c in config.chains] == [
        ("x", ("http://a/",), 5),
        ("y", ("http://b", "http://c"), None),
    ]


def test_a_mistake_in_rpc_names_the_option_and_not_the_url(run: Run) -> None:
    assert run("check", A, "--rpc", "x=ftp://me:key@h/").complaint.startswith("--rpc x: expected an http")
    assert run("check", A, "--rpc", "https://h/key").complaint == "--rpc: expected CHAIN=URL"
    assert run("check", A, "--rpc", "=x").complaint == "--rpc: expected CHAIN=URL"


def test_a_venue_named_by_other_addresses(tmp_path: Path) -> None:
    """A list of addresses on the chain stands for the parts; optional addresses and names are taken along."""
    whole = CHAIN + PARTS + f'proxy_registry = "{B}"\nilks = ["ETH-A", "ETH-B"]\n'
    listed = CHAIN + VENUE.replace("aave-v3", "maker") + f'chainlog = "{B}"\n'
    file = tmp_path / "crossmargin.toml"
    found = []
    for text in (whole, listed):
        file.write_text(text)
        (chain,) = load_config(file).chains
        (venue,) = places(chain, 31337, load_config(file))
        found.append((sorted(venue.config.addresses), dict(venue.config.options)))
    parts = ["cdp_manager", "dog", "jug", "proxy_registry", "spotter", "vat"]
    assert found == [(parts, {"ilks": ("ETH-A", "ETH-B")}), (["chainlog"], {})]
