"""The diagnosis as JSON; described by docs/schemas/doctor.schema.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from checker import words
from checker.doctor.endpoint import DEPTHS, EndpointHealth, Kept
from checker.doctor.examination import ChainHealth, Diagnosis
from checker.doctor.findings import Problem, status_of
from checker.doctor.venue import FeedHealth, VenueHealth
from margin.basics import BlockRef

SCHEMA = "crossmargin.doctor/1"
BLOCK_ONE = "block_1"


def to_text(diagnosis: Diagnosis) -> str:
    """One object and a line break."""
    return json.dumps(to_json(diagnosis), indent=2, ensure_ascii=False) + "\n"


def to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """As plain values."""
    store = diagnosis.store
    return {
        "schema": SCHEMA,
        "status": diagnosis.status.word,
        "config": {
            "file": words.plain(diagnosis.config.source) or None,
            "status": status_of(diagnosis.problems).word,
            "problems": _problems(diagnosis.problems),
        },
        "store": store and {"status": store.status.word, "problems": _problems(store.problems)},
        "chains": [_chain(chain) for chain in diagnosis.chains],
    }


def _chain(chain: ChainHealth) -> dict[str, Any]:
    return {
        "chain": chain.chain.name,
        "chain_id": chain.chain_id,
        "status": chain.status.word,
        "block": chain.block and _block(chain.block),
        "endpoints": [_endpoint(endpoint) for endpoint in chain.endpoints],
        "venues": [_venue(venue) for venue in chain.venues],
    }


def _block(block: BlockRef) -> dict[str, Any]:
    return {
        "chain": block.chain,
        "chain_id": block.chain_id,
        "number": block.number,
        "hash": block.hash,
        "timestamp": block.timestamp,
    }


def _endpoint(endpoint: EndpointHealth) -> dict[str, Any]:
    head, ways, events = endpoint.head, endpoint.ways, endpoint.events
    return {
        "endpoint": endpoint.label,
        "status": endpoint.status.word,
        "problems": _problems(endpoint.problems),
        "chain_id": endpoint.chain_id,
        "latency_ms": None if endpoint.latency_s is None else round(endpoint.latency_s * 1000, 1),
        "head": head
        and {"number": head.number, "timestamp": head.timestamp, "age_seconds": endpoint.head_age_s},
        "reading": ways
        and {
            "calls": ways.calls.value,
            "storage": ways.storage.value if ways.storage else "not in bulk",
            "block_by_hash": ways.by_hash,
            "batches": ways.batches,
        },
        "old_states": None if endpoint.states is None else _states(endpoint.states),
        "events": events and {"blocks_asked": events.asked, "blocks": events.blocks},
        "requests": endpoint.requests,
    }


def _states(states: Mapping[int, Kept]) -> dict[str, str]:
    return {**{f"back_{depth}": states[depth].value for depth in DEPTHS}, BLOCK_ONE: states[0].value}


def _venue(venue: VenueHealth) -> dict[str, Any]:
    return {
        "venue": venue.place.id,
        "protocol": venue.place.adapter.protocol,
        "addresses": dict(venue.place.config.addresses),
        "status": venue.status.word,
        "problems": _problems(venue.problems),
        "feeds": [_feed(feed) for feed in venue.feeds],
    }


def _feed(health: FeedHealth) -> dict[str, Any]:
    feed = health.feed
    return {
        "feed": feed.address,
        **({"roots": list(health.roots)} if health.roots else {}),
        "asset": words.plain(feed.asset),
        "answer_raw": str(feed.answer_raw),
        "decimals": feed.decimals,
        "answer": float(feed.answer_raw / 10**feed.decimals),
        "updated_at": feed.updated_at,
        "age_seconds": health.age_s,
        "stale": health.is_stale,
    }


def _problems(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [
        {
            "status": problem.status.word,
            "subject": problem.subject and words.plain(problem.subject),
            "reason": problem.reason and problem.reason.value,
            "detail": words.plain(problem.detail, 500),
        }
        for problem in problems
    ]
