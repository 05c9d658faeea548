"""A zoo.yaml of several hosts that are all this one, and what a controller may say of it."""

from zoosup.core.fleet.words import Answer, Assignment, FleetSpec, FleetView, HostReport, HostView
from zoosup.spec.parse import spec_hash

FLEET = "fleet: {{head: '127.0.0.2:6379', node: {node}, address: {address}, lost_after: 10s}}"


def fleet_yaml(models, active, node="a", address="127.0.0.2", more=None):
    """Like `zoo_yaml`; `more` are further lines of each model."""
    lines = [f"active: [{', '.join(active)}]", FLEET.format(node=node, address=address), "models:"]
    for name, ram in models.items():
        lines += [f"  {name}:", f"    command: [serve, {name}]", f"    memory: {{ram: {ram}}}"]
        lines += [f"    {line}" for line in (more or {}).get(name, ())]
    return "\n".join(lines) + ("\n" if models else " {}\n")


def answer(text, *models, generation=1, epoch=1, number=1, drained=False, nodes=("a", "b"), old=(), **view):
    """What a controller tells a host that has `text`: to run `models`."""
    spec = FleetSpec(spec_hash(text), generation)
    hosts = {node: HostView(HostReport(node)) for node in nodes}
    told = Assignment(generation, epoch, number, models, drained)
    return Answer(told, FleetView(spec, epoch, number, hosts, old_files=tuple(old), **view), number)
