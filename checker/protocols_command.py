"""`crossmargin protocols`: the adapters, what each was verified against, and where it is known."""

from __future__ import annotations

import io
import json
import shutil

from rich.console import Console
from rich.table import Table

from protocols.deployments import books
from protocols.registry import adapters, known_keys

SCHEMA = "crossmargin.protocols/1"


def listing(*, as_json: bool) -> str:
    """What the command prints."""
    rows = [
        {
            "protocol": adapter.protocol,
            "addresses": list(known_keys(adapter)),
            "verified": [
                {"kind": each.kind, "versions": each.versions, "on": each.on} for each in adapter.verified
            ],
            "address_book": [
                venue.id_on(book.chain)
                for book in books().values()
                for venue in book.venues
                if venue.protocol == adapter.protocol
            ],
        }
        for adapter in adapters().values()
    ]
    if as_json:
        return json.dumps({"schema": SCHEMA, "protocols": rows}, indent=2) + "\n"
    table = Table("protocol", "verified against", "addresses of a venue", "in the address book")
    for adapter, row in zip(adapters().values(), rows, strict=True):
        verified = "\n".join(f"{each.kind}: {each.versions} ({each.on})" for each in adapter.verified)
        table.add_row(
            adapter.protocol, verified, "\n".join(known_keys(adapter)), f"{len(row['address_book'])} venues"
        )
    text = io.StringIO()
    Console(file=text, width=min(shutil.get_terminal_size((100, 24)).columns, 140)).print(table)
    return text.getvalue()
