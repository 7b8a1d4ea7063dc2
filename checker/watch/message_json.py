"""Messages and what belongs to them as text, to be kept; what is read back is equal to what was written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from checker.bands import Band
from checker.watch.memory import Happening
from checker.watch.values import BlockFact, Entry, Fact, Kind, Message


def message_text(message: Message) -> str:
    """A message as JSON."""
    return _dump({
        "kind": message.kind,
        "at": message.at,
        "blocks": message.blocks,
        "entries": [
            {
                "subject": entry.subject,
                "name": entry.name,
                "old": entry.old.word,
                "new": entry.new.word,
                "sentences": entry.sentences,
                "facts": [[fact.name, fact.value] for fact in entry.facts],
            }
            for entry in message.entries
        ],
    })  # fmt: skip


def message_of(text: str) -> Message:
    """The message that was written. Raises `ValueError` or `KeyError` for what is none."""
    found = json.loads(text)
    entries = tuple(
        Entry(
            entry["subject"],
            entry["name"],
            band_of(entry["old"]),
            band_of(entry["new"]),
            tuple(entry["sentences"]),
            _facts(entry["facts"]),
        )
        for entry in found["entries"]
    )
    return Message(Kind(found["kind"]), entries, _blocks(found["blocks"]), found["at"])


def happening_text(happening: Happening) -> str:
    """A happening as JSON, all but its key and subject."""
    return _dump({
        "name": happening.name,
        "kind": happening.kind,
        "sentences": happening.sentences,
        "facts": [[fact.name, fact.value] for fact in happening.facts],
        "blocks": happening.blocks,
    })  # fmt: skip


def happening_of(key: str, subject: str, text: str) -> Happening:
    """The happening that was written."""
    found = json.loads(text)
    return Happening(
        key,
        subject,
        found["name"],
        Kind(found["kind"]),
        tuple(found["sentences"]),
        _facts(found["facts"]),
        _blocks(found["blocks"]),
    )


def blocks_text(blocks: Iterable[BlockFact]) -> str:
    """Blocks as JSON."""
    return _dump(list(blocks))


def blocks_of(text: str) -> tuple[BlockFact, ...]:
    """The blocks that were written."""
    return _blocks(json.loads(text))


def facts_text(facts: Iterable[Fact]) -> str:
    """Figures as JSON."""
    return _dump([[fact.name, fact.value] for fact in facts])


def facts_of(text: str) -> tuple[Fact, ...]:
    """The figures that were written."""
    return _facts(json.loads(text))


def band_of(word: str) -> Band:
    """A band by its word. Raises `KeyError`."""
    return Band[word.upper()]


def _dump(value: Any) -> str:
    # As ASCII: whatever a token calls itself, every database and encoding takes it. No NUL in it either:
    # PostgreSQL takes none, and JSON writes it as an escape.
    return json.dumps(value, separators=(",", ":"))


def _facts(rows: Iterable[list[str]]) -> tuple[Fact, ...]:
    return tuple(Fact(name, value) for name, value in rows)


def _blocks(rows: Iterable[list[Any]]) -> tuple[BlockFact, ...]:
    return tuple((str(chain), int(number), str(hash_), int(time)) for chain, number, hash_, time in rows)
