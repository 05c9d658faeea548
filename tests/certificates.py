"""An authority of our own and a certificate by it, made by openssl on the spot: for servers that speak TLS in tests."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

# Python 3.13 and newer believes no authority that doesn't say what its key is for.
AUTHORITY = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
EXTENSIONS = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"


@dataclass(frozen=True)
class Certificates:
    """`ca` is whose word counts; `chain` and `key` are a server's on localhost and 127.0.0.1."""

    ca: Path
    chain: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain, self.key)
        return context


def make(folder: Path) -> Certificates:
    """Skips the test where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    found = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    ca_key, request, extensions = folder / "ca.key", folder / "server.csr", folder / "extensions"
    extensions.write_text(EXTENSIONS)
    curve = ("-newkey", "rsa:2048", "-nodes")
    _run(
        "req",
        "-x509",
        *curve,
        "-keyout",
        ca_key,
        "-out",
        found.ca,
        "-subj",
        "/CN=an authority",
        "-days",
        "2",
        *AUTHORITY,
    )
    _run("req", *curve, "-keyout", found.key, "-out", request, "-subj", "/CN=localhost")
    signing = ("-CA", found.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions)
    _run("x509", "-req", "-in", request, *signing, "-out", found.chain)
    return found


def _run(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)
