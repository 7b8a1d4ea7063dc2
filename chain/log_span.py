"""How many blocks to ask for at once: as many as the node takes, found by trying."""

from __future__ import annotations

FIRST_SPAN = 10_000
"""What most providers take; a node of one's own is asked for more and more."""
LARGEST_SPAN = 500_000
_MANY = 20_000
"""Events in one answer from which on more blocks at once bring nothing."""
_FIRST_PATIENCE = 4
_LONGEST_PATIENCE = 256


class Span:
    """Doubles while answers are small, halves when the node refuses, and tries again ever more rarely."""

    def __init__(self, blocks: int = FIRST_SPAN) -> None:
        self.blocks = max(1, blocks)
        """To be asked for next."""
        self._refused: int | None = None
        """The smallest number that was refused; not asked for again until `_left` is used up."""
        self._patience = _FIRST_PATIENCE
        self._left = 0

    def refuse(self, first: int, last: int, instead: tuple[int, int] | None) -> None:
        """The node did not take these blocks (more than one); `instead`: what it says it would."""
        asked = last - first + 1
        if asked > self.blocks:
            return  # asked before the span became smaller
        smaller = max(1, asked // 2)
        if instead is not None and instead[0] == first and first <= instead[1] < last:
            smaller = instead[1] - first + 1
        self.blocks = smaller
        # Twice a proposal would be refused too: it is as much as the node would take.
        self._refused, self._left = min(asked, 2 * smaller), self._patience
        self._patience = min(2 * self._patience, _LONGEST_PATIENCE)

    def accept(self, asked: int, events: int) -> None:
        """The node took that many blocks, and told that many events."""
        if asked < self.blocks:
            return  # the rest of a range: says nothing of how much it would take
        if self._refused is not None and 2 * asked >= self._refused:
            self._left -= 1
            if self._left > 0:
                return
            self._refused = None
        elif self._refused is None:
            self._patience = _FIRST_PATIENCE
        if events < _MANY:
            self.blocks = min(2 * asked, LARGEST_SPAN)
