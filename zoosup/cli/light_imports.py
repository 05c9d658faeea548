"""Imports what `zoosup run` needs without what it never uses.

aiohttp reads all certificate authorities of the host when it is imported, for HTTPS that zoosup does not speak (2 MiB,
and most of its time), and frozenlist loads the C++ library for lists of a few functions (1 MiB). Each can be told by
the environment. Refuses to know what is imported.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_TOLD = {"SSL_CERT_FILE": os.devnull, "FROZENLIST_NO_EXTENSIONS": "1"}


@contextmanager
def lightly() -> Iterator[None]:
    """For the block alone: models inherit the environment as it was. Before there are threads."""
    before = {name: os.environ.get(name) for name in _TOLD}
    os.environ.update(_TOLD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
