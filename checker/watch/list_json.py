"""The JSON of `alerts list` (`docs/schemas/alerts.schema.json`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from checker.config_types import LOOKS_LIKE_ADDRESS
from checker.watch.outbox_rows import Queued, State
from checker.watch.values import BlockFact, Entry

SCHEMA = "crossmargin.alerts/1"
Json = dict[str, Any]


def to_text(messages: Iterable[Queued], silences: Mapping[str, float], names: Mapping[str, str]) -> str:
    """One object and a line break; `silences` until when and `names`, both by subject."""
    document = to_json(messages, silences, names)
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_json(messages: Iterable[Queued], silences: Mapping[str, float], names: Mapping[str, str]) -> Json:
    """As plain values; messages in the order of their writing, times in whole seconds since 1970."""
    return {
        "schema": SCHEMA,
        "messages": [_message(one) for one in sorted(messages, key=lambda one: one.id)],
        "silences": [
            {**_subject(subject), "name": names.get(subject, subject), "until": int(until)}
            for subject, until in sorted(silences.items())
        ],
    }


def _message(one: Queued) -> Json:
    return {
        "id": one.id,
        "message_id": one.message_id,
        "channel": one.channel,
        "kind": one.message.kind.value,
        "band": one.message.band.word,
        "state": one.state.value,
        "created_at": int(one.created),
        "ended_at": None if one.ended is None else int(one.ended),
        "next_attempt_at": int(one.next_attempt) if one.state is State.PENDING else None,
        "attempts": one.attempts,
        "error": one.error or None,
        "entries": [_entry(entry) for entry in one.message.entries],
        "blocks": [_block(block) for block in one.message.blocks],
    }


def _entry(entry: Entry) -> Json:
    return {
        **_subject(entry.subject),
        "name": entry.name,
        "old": entry.old.word,
        "new": entry.new.word,
        "sentences": list(entry.sentences),
        "facts": [{"name": fact.name, "value": fact.value} for fact in entry.facts],
    }


def _subject(subject: str) -> Json:
    """A wallet by its addresses; the watch itself has none."""
    addresses = [part for part in subject.split(",") if LOOKS_LIKE_ADDRESS.fullmatch(part)]
    return {"subject": subject, "wallet": addresses[0] if addresses else None, "addresses": addresses}


def _block(block: BlockFact) -> Json:
    chain, number, hash_, timestamp = block
    return {"chain": chain, "number": number, "hash": hash_, "timestamp": timestamp}
