"""What a driver says of one card's memory at one moment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. `used` None: only the sum of what processes tell is known. `regions` are those in fdinfo that are in it.

    A region ends in a number where a card has several of its kind: `vram` means `vram0`, too. `unified`: it is RAM.
    """

    total: int
    used: int | None
    regions: tuple[str, ...]
    unified: bool = False
