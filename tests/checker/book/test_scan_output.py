"""What `scan` shows, as functions of the scan: JSON, screen, CSV, Parquet, curve."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from pyarrow import parquet
from rich.console import Console

from checker.book.curve_picture import dollars, write_picture
from checker.book.curve_table import bar, directions
from checker.book.scan_frames import book_frame, write_book_csv, write_book_parquet, write_curve_csv
from checker.book.scan_json import to_json, to_text
from checker.book.scan_tables import UNREAD_SHOWN, print_scan, summary
from checker.book.view import Completeness, CurvePoint, Scan, ScannedAccount
from margin.basics import Reason, Unread
from tests.checker.book.made import BLOCK, LACKING, TIMEOUT, account, address, scan, whole_book
from tests.checker.conftest import SCHEMAS, schema_of
from tests.checker.test_views import HOSTILE

PNG = b"\x89PNG\r\n\x1a\n"
BOOK = whole_book(300)


def screen(found: Scan, width: int = 100, top: int = 20, *, colour: bool = False) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width, no_color=not colour, force_terminal=colour)
    print_scan(console, found, BLOCK.timestamp + 100.0, top)
    return text.getvalue()


def disputed(found: ScannedAccount) -> ScannedAccount:
    return dataclasses.replace(found, agrees=False)


# --- JSON -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found",
    [
        BOOK,
        scan(()),
        scan((account(1), account(2, health=None)), completeness=LACKING),
        scan((), completeness=Completeness(())),
        scan((disputed(account(1)), dataclasses.replace(account(3), unread=TIMEOUT))),
    ],
)
def test_json_holds_to_its_schema(found: Scan) -> None:
    document = json.loads(to_text(found))
    schema_of("scan").validate(document)
    assert document == to_json(found)
    assert document["totals"]["accounts"] == len(document["accounts"]) == len(found.accounts)
    assert sum(total["accounts"] for total in document["bands"]) == len(found.accounts)


def test_json_says_what_the_interface_says() -> None:
    gone = account(1, health=0.9, blocked="reserve WETH is paused", agrees=True)
    lender, lost = account(2, health=None), account(3, unread=TIMEOUT)
    document = to_json(scan((lender, lost, gone), completeness=LACKING))
    assert document["schema"] == "crossmargin.scan/1"
    assert document["venue"] == "local/aave-v3/v3.0.2"
    assert document["block"] == dataclasses.asdict(BLOCK)
    assert [each["account"] for each in document["accounts"]] == [a.account for a in (gone, lost, lender)]
    assert document["accounts"][0] == {
        "account": gone.account, "owner": gone.owner, "band": "liquidatable", "liquidatable": True,
        "blocked": "reserve WETH is paused", "health_factor": 0.9, "support_raw": str(gone.support_raw),
        "requirement_raw": str(gone.requirement_raw), "agrees": True, "collateral_usd": 10_000.0,
        "debt_usd": gone.debt_usd,
    }  # fmt: skip
    assert (document["accounts"][1]["band"], document["accounts"][1]["liquidatable"]) == ("unknown", None)
    assert document["accounts"][2]["health_factor"] is None
    assert document["unread"] == [
        {"account": lost.account, "reason": "timeout", "detail": "no answer within 10 s"}
    ]
    assert document["totals"] == {"accounts": 3, "liquidatable": 1, "unread": 1, "disagreements": 0}
    usdc = document["completeness"]["reserves"][1]
    lacking = LACKING.reserves[1]
    assert usdc["token"] == lacking.token
    assert usdc["book_supply_raw"] == str(lacking.book_supply_raw)
    assert usdc["chain_supply_raw"] == str(lacking.chain_supply_raw)
    assert usdc["book_debt_raw"] == str(lacking.book_debt_raw)
    assert usdc["chain_debt_raw"] == str(lacking.chain_debt_raw)
    assert document["completeness"]["percent"] == LACKING.percent < 100


def test_json_is_one_object_with_a_line_an_account_and_the_same_every_time() -> None:
    text = to_text(BOOK)
    assert text == to_text(whole_book(300))
    lines = text.splitlines()
    assert (lines[0], lines[-1], text[-1]) == ("{", "}", "\n")
    told = [json.loads(line.rstrip(",")) for line in lines if line.startswith('  {"account"')]
    assert told[-len(BOOK.accounts) :] == json.loads(text)["accounts"]


def test_the_schema_knows_every_reason_and_refuses_a_flattered_book() -> None:
    schema = json.loads((SCHEMAS / "scan.schema.json").read_text())
    assert schema["$defs"]["unread"]["properties"]["reason"]["enum"] == [reason.value for reason in Reason]
    document = to_json(scan((account(1, health=0.9), account(3, unread=TIMEOUT))))
    valid = schema_of("scan").is_valid
    assert valid(document)
    assert not valid(document | {"seconds": 1.0})
    gone, lost = document["accounts"]
    known: list[dict[str, object]] = [{"band": "ok"}, {"support_raw": 5}, {"health_factor": "0.9"}]
    for wrong in known:
        assert not valid(document | {"accounts": [gone | wrong]})
    unknown: list[dict[str, object]] = [{"band": "ok"}, {"health_factor": 1.5}, {"support_raw": "0"}]
    for wrong in unknown:
        assert not valid(document | {"accounts": [lost | wrong]})
    assert not valid(document | {"accounts": [{k: v for k, v in gone.items() if k != "liquidatable"}]})
    assert not valid(document | {"completeness": {"percent": 100.1, "reserves": []}})


# --- screen -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_screen_fits(width: int) -> None:
    shown = screen(dataclasses.replace(BOOK, completeness=LACKING), width)
    assert max(map(len, shown.splitlines())) <= width
    assert "\x1b" not in shown
    for band in BOOK.bands:
        assert re.search(rf"^{band.band.word} +{band.accounts} ", shown, re.MULTILINE)
    names = [a.account if width >= 96 else f"{a.account[:6]}…" for a in BOOK.accounts[:20]]
    assert all(re.search(rf"^{name}", shown, re.MULTILINE) for name in names)


def test_colour_on_a_terminal_only() -> None:
    assert screen(BOOK, colour=True).count("\x1b[") > 20


def test_a_complete_book_says_so() -> None:
    shown = screen(BOOK)
    assert "100.000 % complete: the accounts of 6 reserves add up to the chain's own totals" in shown
    assert "INCOMPLETE" not in shown


def test_an_incomplete_book_says_what_is_missing_and_is_never_called_complete() -> None:
    shown = screen(dataclasses.replace(BOOK, completeness=LACKING))
    assert re.search(r"INCOMPLETE: 95\.949 % of what the chain says exists; 2 of 3 reserves wrong", shown)
    assert re.search(
        r"USDC 0x.{4}….{4} +supply lacks +500,000,000,000,000,000,000 scaled units +95\.949 %", shown
    )
    assert re.search(r"USDC .* debt lacks +1 scaled units +99\.999 %", shown)
    assert re.search(r"DAI .* supply is over by +3 scaled units +99\.999 %", shown)
    for text in (shown, summary(dataclasses.replace(BOOK, completeness=LACKING)).plain):
        assert not re.search(r"\bcomplete\b|100\.000", text, re.IGNORECASE)
        assert "INCOMPLETE" in text


def test_the_riskiest_stand_first_and_as_many_as_asked() -> None:
    for top, listed in ((3, 3), (0, 0), (10_000, sum(a.health_factor is not None for a in BOOK.accounts))):
        rows = re.findall(r"^(0x\w{40}) +\d\.\d{4}", screen(BOOK, 120, top), re.MULTILINE)
        assert len(rows) >= min(listed, 200)
        assert rows == [a.account for a in BOOK.accounts][: len(rows)]
    assert "the riskiest 3 of" in screen(BOOK, top=3)
    assert "no account owes anything" in screen(scan((account(1, health=None),)))


def test_a_health_factor_below_the_edge_is_never_shown_as_one() -> None:
    edge = dataclasses.replace(
        account(1), health_factor=1.0, support_raw=10**30 - 1, requirement_raw=10**30, collateral_usd=None
    )
    assert re.search(r"0\.9999 +— ", screen(scan((edge,))))
    assert to_json(scan((edge,)))["accounts"][0]["health_factor"] < 1.0
    assert book_frame(scan((edge,)))["health_factor"][0] < 1.0


def test_what_is_held_back_says_why() -> None:
    book = [account(n, health=0.9, blocked=why) for n, why in enumerate(("WETH paused", "DAI paused", None))]
    shown = screen(scan((*book, account(4, health=0.95, blocked="WETH paused"))))
    marks = {a.account: re.search(rf"{a.account}.*liquidatable ?(.?)", shown)[1] for a in book}  # type: ignore[index]
    assert f"{marks[book[0].account]} cannot be liquidated now: WETH paused" in shown
    assert f"{marks[book[1].account]} cannot be liquidated now: DAI paused" in shown
    assert marks[book[2].account].strip() == ""
    assert shown.count("cannot be liquidated now") == 2


def test_the_unread_stand_apart_with_their_reasons() -> None:
    lost = [account(n, unread=Unread(Reason.REVERTED, f"why {n}")) for n in range(UNREAD_SHOWN + 5)]
    shown = screen(scan((account(99), *lost)))
    assert f"COULD NOT BE READ OR DECIDED: {UNREAD_SHOWN + 5} accounts" in shown
    assert len(re.findall(r"^  0x\w{40}: reverted: why \d+", shown, re.MULTILINE)) == UNREAD_SHOWN
    assert "… and 5 more" in shown
    assert re.search(r"^unknown +25 +— +—", shown, re.MULTILINE)
    assert re.search(r"^all +26 +≥ \$10,000 ", shown, re.MULTILINE)
    assert "COULD NOT BE READ" not in screen(scan((account(99),)))


def test_a_disagreement_is_loud() -> None:
    agreeing = account(1, agrees=True)
    shown = screen(scan((agreeing, disputed(account(2)), account(3))))
    assert "DISAGREEMENT: the protocol's own view says something else of 1 account" in shown
    assert f"  {address(2)}\n" in shown
    assert "1 of 2 verdicts equal the protocol's own view; of the others it was not asked (--audit)" in shown
    quiet = summary(scan((agreeing,))).plain
    assert quiet.splitlines()[-1] == "1 of 1 verdicts equal the protocol's own view"


def test_the_curve_on_the_screen() -> None:
    shown = screen(BOOK)
    table = shown[shown.index("if prices fall") :]
    assert re.findall(r"^(\w+) +−5 %", table, re.MULTILINE) == ["market", "ETH", "BTC"]
    assert re.findall(r"−(\d+) %", table)[:6] == ["5", "10", "20", "30", "40", "50"]
    assert "also in --curve: LINK, AAVE, 0x5555…5555" in table
    assert "nobody would be liquidatable by a fall of: USDC" in table
    deepest = next(p for p in BOOK.curve if p.direction == "market" and p.drop == 0.5)
    assert re.search(rf"−50 % +{deepest.accounts} +\${deepest.collateral_usd:,.0f} .*█{{18}}", table)
    assert "if prices fall" not in screen(scan((account(1),)))


def test_other_drops_are_shown_as_they_are() -> None:
    points = tuple(CurvePoint("market", drop / 100, drop, 1.0 * drop, 1.0, 0.0) for drop in range(1, 98, 3))
    shown = screen(scan((account(1),), curve=points))
    drops = re.findall(r"−([\d.]+) %", shown[shown.index("if prices fall") :])
    assert (len(drops), drops[0], drops[-1]) == (6, "1", "97")
    few = screen(scan((account(1),), curve=points[:2]))
    assert re.findall(r"−([\d.]+) %", few[few.index("if prices fall") :]) == ["1", "4"]


def test_what_the_curve_leaves_out_is_said(tmp_path: Path) -> None:
    points = tuple(dataclasses.replace(point, unknown=round(point.drop * 10)) for point in BOOK.curve)
    found = dataclasses.replace(BOOK, curve=points)
    assert "not in these figures: up to 5 accounts that could not be judged" in screen(found)
    assert "not in these figures" not in screen(BOOK)
    assert [point["unknown"] for point in to_json(found)["curve"]] == [point.unknown for point in points]
    write_picture(found, tmp_path / "x.svg", "svg")
    assert any("without up to 5 accounts" in text for text in texts_of(tmp_path / "x.svg"))


def test_directions_by_size() -> None:
    harmful, harmless = directions(BOOK.curve)
    assert list(harmful) == ["market", "ETH", "BTC", "LINK", "AAVE", "0x" + "5" * 40]
    assert harmless == ["USDC"]
    assert all([p.drop for p in points] == sorted(p.drop for p in points) for points in harmful.values())


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0, ""), (1e-9, "▏"), (0.5, "██"), (0.53125, "██▏"), (1.0, "████"), (1.7, "████")],
)
def test_bar(share: float, shown: str) -> None:
    assert bar(share, 4) == shown


# --- files ------------------------------------------------------------------------------------------------


def test_csv_and_parquet_hold_the_whole_book(tmp_path: Path) -> None:
    write_book_csv(BOOK, tmp_path / "x.csv")
    write_book_parquet(BOOK, tmp_path / "x.parquet")
    told = pd.read_csv(tmp_path / "x.csv", dtype=str)
    for frame in (told, pd.read_parquet(tmp_path / "x.parquet")):
        assert list(frame["account"]) == [a.account for a in BOOK.accounts]
        assert set(frame["venue"]) == {BOOK.venue}
        assert set(frame["block_hash"]) == {BLOCK.hash}
        raws = [None if pd.isna(raw) else int(raw) for raw in frame["support_raw"]]
        assert raws == [a.support_raw for a in BOOK.accounts]
        assert list(frame["band"]) == [a.band.word for a in BOOK.accounts]
    lost = told[told["band"] == "unknown"]
    assert set(lost["unread"]) == {"timeout: no answer within 10 s"}
    assert lost[["health_factor", "liquidatable", "support_raw", "debt_usd"]].isna().all(axis=None)


def test_columns_have_one_type_whatever_is_in_them(tmp_path: Path) -> None:
    schemas = []
    for found in (BOOK, scan(()), scan((account(1, unread=TIMEOUT),)), scan((account(1, health=None),))):
        write_book_parquet(found, tmp_path / "x.parquet")
        schemas.append(parquet.read_schema(tmp_path / "x.parquet").remove_metadata())
    assert all(schema == schemas[0] for schema in schemas)
    assert str(schemas[0].field("liquidatable").type) == "bool"
    assert str(schemas[0].field("health_factor").type) == "double"


def test_the_curve_as_csv(tmp_path: Path) -> None:
    write_curve_csv(BOOK, tmp_path / "curve.csv")
    rows = pd.read_csv(tmp_path / "curve.csv")
    assert len(rows) == len(BOOK.curve)
    for row, point in zip(rows.itertuples(), BOOK.curve, strict=True):
        assert tuple(row)[5:] == pytest.approx(dataclasses.astuple(point))
    write_curve_csv(scan(()), tmp_path / "curve.csv")
    assert (
        (tmp_path / "curve.csv").read_text().startswith("chain,block_number,block_hash,venue,direction,drop,")
    )


@pytest.mark.parametrize(
    "found",
    [BOOK, scan(()), dataclasses.replace(BOOK, completeness=LACKING), scan((), curve=(BOOK.curve[-1],))],
)
def test_the_pictures_are_whole_and_the_same_every_time(found: Scan, tmp_path: Path) -> None:
    for kind in ("png", "svg"):
        for name in ("a", "b"):
            write_picture(found, tmp_path / name, kind)
        content = (tmp_path / "a").read_bytes()
        assert content == (tmp_path / "b").read_bytes()
        assert content.startswith(PNG if kind == "png" else b"<?xml")
    texts = texts_of(tmp_path / "a")
    assert "Liquidatable if prices fall" in texts
    assert any(BOOK.venue in text and "block 4321" in text for text in texts)
    assert any("INCOMPLETE: 95.949 %" in text for text in texts) is not found.completeness.is_complete


def test_the_picture_names_its_lines_and_their_ends(tmp_path: Path) -> None:
    write_picture(BOOK, tmp_path / "x.svg", "svg")
    texts = texts_of(tmp_path / "x.svg")
    market = next(p for p in BOOK.curve if (p.direction, p.drop) == ("market", 0.5))
    assert f"{dollars(market.collateral_usd)}, bad {dollars(market.bad_debt_usd)}" in texts
    assert {"market", "ETH", "BTC", "LINK", "AAVE", "0x5555…5555", "−50 %", "today"} <= set(texts)
    assert "USDC" not in texts
    dashed = re.findall(r"stroke-dasharray: [\d.]+,", (tmp_path / "x.svg").read_text())
    assert len(dashed) == 6
    write_picture(scan(()), tmp_path / "x.svg", "svg")
    assert "nobody, by any of these falls" in texts_of(tmp_path / "x.svg")


def texts_of(path: Path) -> list[str]:
    return [
        "".join(node.itertext()).strip() for node in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "$0"), (0.4, "$0"), (12.0, "$12"), (999.6, "$1k"), (1234.0, "$1.23k"), (999_499.0, "$999k"),
     (999_999.0, "$1m"), (45_600_000.0, "$45.6m"), (1.2e9, "$1.2bn"), (7e12, "$7tn"),
     (1.234e16, "$12,300tn")],
)  # fmt: skip
def test_dollars_of_an_axis(value: float, shown: str) -> None:
    assert dollars(value) == shown


# --- strangers' names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [*HOSTILE, "$\\frac{", "_x", "</text><script>", "&lt;"], ids=range(len(HOSTILE) + 4)
)
def test_a_strangers_name_is_shown_but_not_obeyed(name: str, tmp_path: Path) -> None:
    lost = account(3, unread=Unread(Reason.REVERTED, name))
    odd = dataclasses.replace(account(4, health=1.1), account=name)
    curve = tuple(dataclasses.replace(p, direction=name) for p in BOOK.curve if p.direction == "ETH")
    reserves = tuple(dataclasses.replace(reserve, symbol=name) for reserve in LACKING.reserves)
    found = scan(
        (account(1, health=0.9, blocked=name), disputed(account(2)), lost, odd, disputed(odd)),
        completeness=Completeness(reserves), curve=curve,
    )  # fmt: skip
    found = dataclasses.replace(found, venue=name)
    for width in (80, 100):
        shown = screen(found, width)
        assert all(char.isprintable() or char == "\n" for char in shown)
        assert "\u202e" not in shown
        if name.startswith("["):
            assert shown.count(name) >= 5
    schema_of("scan").validate(json.loads(to_text(found)))
    write_book_csv(found, tmp_path / "book.csv")
    write_curve_csv(found, tmp_path / "curve.csv")
    for file in ("book.csv", "curve.csv"):
        with (tmp_path / file).open(newline="") as opened:
            rows = list(csv.reader(opened))
        assert {len(row) for row in rows} == {len(rows[0])}
        for cell in [cell for row in rows for cell in row]:
            assert not cell.startswith(("=", "+", "@", "\t", "\r"))
            assert not cell.startswith("-") or cell.lstrip("-").replace(".", "").isdigit()
    assert name in set(book_frame(found)["account"])
    write_picture(found, tmp_path / "x.png", "png")
    write_picture(found, tmp_path / "x.svg", "svg")
    texts = texts_of(tmp_path / "x.svg")
    assert all(char.isprintable() or char.isspace() for text in texts for char in text)
    assert "script" not in {node.tag.rpartition("}")[2] for node in ET.parse(tmp_path / "x.svg").iter()}
