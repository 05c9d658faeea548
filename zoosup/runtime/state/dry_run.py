"""A zoo for questions: what would be so, were a file in force or a pass done.

Refuses to change the real one, or to tell anybody.
"""

from dataclasses import replace

from zoosup.runtime.events.journal import Journal
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.zoo import ZooSpec


def copy_with(zoo: Zoo, spec: ZooSpec | None, path: str) -> Zoo:
    """A copy in which `spec` is in force: nothing done to it is done to the real one, or told to anybody."""
    copy = replace(
        zoo,
        journal=Journal(zoo.clock.wall, limit=1),
        models=dict(zoo.models),
        usage_history=zoo.usage_history.copy(),
        applied=replace(zoo.applied, path=path),
    )
    copy.fleet = None if zoo.fleet is None else replace(zoo.fleet)
    copy.memory = zoo.memory.copy(copy.journal)
    copy.holds = zoo.holds.copy(copy.journal)
    if spec is not None:
        copy.take_over(spec, "")
    return copy
