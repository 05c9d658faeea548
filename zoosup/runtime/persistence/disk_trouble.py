"""Whether what has to outlive zoosup reaches the disk: the word of each that writes, as one condition of the zoo.

Knows the sentence for people. Refuses to know who writes what, or to do anything about a disk that refuses: the models
go on, and each writer tries again by itself.
"""

from zoosup.core.state.observed import Condition
from zoosup.core.state.phases import ConditionType

TYPE = ConditionType.STATE_WRITABLE


def conditions(*troubles: str) -> tuple[Condition, ...]:
    """None while all is well; else one that says why, from the writers' `troubles`, "" of one that has none."""
    told = [trouble for trouble in dict.fromkeys(troubles) if trouble]
    if not told:
        return ()
    return (
        Condition(
            None, TYPE, False, "Refused", f"kept in memory alone until the disk takes it: {'; '.join(told)}"
        ),
    )
