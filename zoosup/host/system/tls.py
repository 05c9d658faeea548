"""Whose certificates are believed: contexts that verify servers, and their refusals in words.

The authorities are the system's, or those that SSL_CERT_FILE and SSL_CERT_DIR name, or those of one file. Refuses to
connect anywhere, and to believe anybody unverified.
"""

import asyncio
import ssl
import time

FRESH = 60.0
"""Seconds after which the authorities are read again: files of certificates are replaced while zoosup runs."""


class Authorities:
    """Contexts by their file of authorities, None: the system's. Reading takes milliseconds, in a thread."""

    def __init__(self) -> None:
        self._known: dict[str | None, tuple[float, ssl.SSLContext]] = {}

    async def context(self, ca_file: str | None = None) -> ssl.SSLContext:
        """A context that verifies; OSError (`in_words` tells it) where the file can't be read or is none."""
        now = time.monotonic()
        known = self._known.get(ca_file)
        if known is None or now - known[0] > FRESH:
            known = now, await asyncio.to_thread(_read, ca_file)
            self._known[ca_file] = known
        return known[1]


def _read(ca_file: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise OSError(0, "it holds no certificates in PEM", ca_file) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, ca_file) from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def in_words(error: OSError) -> str:
    """Why nothing could be had of a server, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"it speaks no TLS that is understood: {error.reason or error}"
    if error.filename is not None:
        return f"the certificates of {error.filename} can't be used: {error.strerror}"
    return error.strerror or str(error) or "no answer in time"
