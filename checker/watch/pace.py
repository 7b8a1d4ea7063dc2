"""How often the watch does what, and how long it waits for it; seconds."""

from __future__ import annotations

from dataclasses import dataclass

from chain.rpc import Settings

POLL_S = 4.0
"""How often a chain is asked whether it has a new block."""
INTERVAL_S = 30.0
"""Every wallet is looked at at least so often."""
NODE_PATIENCE = Settings(timeout_s=8.0, total_s=20.0, rounds=3)
BLIND_AFTER_S = 45.0
"""A chain whose last good reading is older can not be seen, whatever its job is waiting for."""
STOOD_STILL_S = 180.0
"""A watch that did nothing for so long says so: the machine slept, or its clock was set."""
KEPT_S = 90 * 86_400.0
"""How long history and ended messages are kept."""
PRUNE_EVERY_S = 3_600.0
DRAIN_S = 20.0
"""How long a stop waits for what is due to be delivered."""
HANGS_S = 90.0
"""How long a stop waits for what is in hand: more than a channel or a database may take."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are done; seconds."""

    poll_s: float = POLL_S
    interval_s: float = INTERVAL_S
    deliver_s: float = 1.0
    blind_after_s: float = BLIND_AFTER_S
