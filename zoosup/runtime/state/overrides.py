"""Words beside the file on whether a model runs: a person's, by hand, and a client's who gives it back.

Refuses to decide what follows from them: that is the plan's.
"""

from collections.abc import Mapping

from zoosup.core.scheduler import switch as switching
from zoosup.core.scheduler.demand import given_back
from zoosup.core.state.facts import Forgiven, Overridden
from zoosup.core.state.observed import Demand, SwitchOutcome
from zoosup.core.state.phases import Override
from zoosup.runtime.state.zoo import Zoo


def obey(zoo: Zoo, name: str, verb: str) -> None:
    """What a person's start, stop, restart, unload or auto makes of who may say whether the model runs."""
    spec, model = zoo.spec.models.get(name), zoo.models[name]
    if verb == "auto":
        zoo.tell(name, Overridden(None))
    elif verb == "unload":
        if model.override is not Override.STOP:
            zoo.tell(name, Overridden(Override.UNLOAD))
    elif verb == "restart" and spec is not None and spec.on_demand:
        # It pins nothing: whoever asks for it next gets a fresh run.
        if model.override is not Override.START:
            zoo.tell(name, Overridden(None))
        zoo.tell(name, Forgiven())
    else:
        override(zoo, name, Override.STOP if verb == "stop" else Override.START)


def note_demand(zoo: Zoo, demand: Mapping[str, Demand]) -> None:
    """Take in what clients ask for: a model they give back is unloaded, and loaded again for who waits for it."""
    zoo.demand = demand
    for name, asked in demand.items():
        model, spec = zoo.models.get(name), zoo.spec.models.get(name)
        if model is not None and model.override is Override.UNLOAD and asked.waiting:
            zoo.tell(name, Overridden(None))
        elif (
            model is not None
            and model.override is None
            and spec is not None
            and given_back(model, spec, asked)
        ):
            zoo.tell(name, Overridden(Override.UNLOAD))


def override(zoo: Zoo, name: str, override: Override) -> None:
    """A person's word: where the file and what a roll-back has made of it say the same it needs no override."""
    wanted = name in switching.effective(zoo.spec.active, zoo.switch)
    # An open switch keeps it serving and may bring it back, so that nobody else has said yet that it is to end.
    kept = zoo.switch is not None and zoo.switch.outcome is SwitchOutcome.OPEN and name in zoo.switch.outgoing
    # One that a request may start is not off because nobody wants it at present.
    on_demand = name in zoo.spec.models and zoo.spec.models[name].on_demand
    # What was rolled back is tried again with the next edit, whatever that is about.
    listed = name in zoo.spec.active
    agrees = wanted if override is Override.START else not (wanted or listed or kept or on_demand)
    zoo.tell(name, Overridden(None if agrees else override))
    if override is Override.START:
        zoo.tell(name, Forgiven())
