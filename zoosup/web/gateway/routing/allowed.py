"""What a key is for: names that its client may use, and the models that it is shown.

A name counts for whatever the file in force says it means: an alias is its model, a variant is itself. What goes to a
server as it stands (`/upstream/`, looks) is asked of the model itself. Refuses to know how a key was presented.
"""

from zoosup.runtime.api.listing import Listing, ModelCard, Served
from zoosup.web.gateway.caller import Caller
from zoosup.web.gateway.errors import DeniedError


def check_allowed(caller: Caller, name: str, served: Served, listing: Listing) -> None:
    """Refuse what a key is not for; DeniedError with 403. `name` is what was asked for, "" the default."""
    if caller.models is not None and served not in _meant(caller.models, listing):
        message = (
            f"the key {caller.name} is not for {name or served.model}; GET /v1/models lists what it is for"
        )
        raise DeniedError(403, "model_not_allowed", message, param="model")


def cards_for(caller: Caller, listing: Listing) -> tuple[ModelCard, ...]:
    """The models that a client is shown: those that its key is for."""
    cards = listing.cards()
    if caller.models is None:
        return cards
    meant = _meant(caller.models, listing)
    return tuple(card for card in cards if listing.find(card.name) in meant)


def _meant(names: tuple[str, ...], listing: Listing) -> list[Served]:
    found = (listing.find(name) for name in names)
    return [served for served in found if served is not None]
