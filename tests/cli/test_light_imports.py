"""What `zoosup run` does not load, and that nobody else is told."""

import os
import subprocess
import sys

from zoosup.cli.light_imports import lightly

LOADED = """
import ssl, sys
made = []
create = ssl.create_default_context
def watched(*arguments, **more):
    made.append(create(*arguments, **more))
    return made[-1]
ssl.create_default_context = watched
from zoosup.cli.light_imports import lightly
with lightly():
    import zoosup.supervisor.run
print([context.cert_store_stats()["x509_ca"] for context in made], "frozenlist._frozenlist" in sys.modules)
"""


def test_nothing_of_the_environment_stays_changed(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ours.pem")
    monkeypatch.delenv("FROZENLIST_NO_EXTENSIONS", raising=False)
    before = dict(os.environ)
    with lightly():
        assert (os.devnull, "1") == (os.environ["SSL_CERT_FILE"], os.environ["FROZENLIST_NO_EXTENSIONS"])
    assert before == os.environ


def test_the_whole_house_is_loaded_without_certificates_and_the_c_plus_plus_library():
    ended = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert "[0] False\n" == ended.stdout


def test_the_binding_to_gpu_drivers_is_loaded_only_for_one():
    code = "import sys, zoosup.supervisor.run; print('pynvml' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False\n" == ended.stdout
