"""LiteLLM's proxy in a virtual environment of its own, made once: 750 MB of libraries, in versions of its own.

Knows how to get it and how it is begun; refuses to know what it is asked. ZOOSUP_TEST_LITELLM names one to take
instead.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

from tests.e2e.driver import free_ports, poll

VERSION = "1.108.7"
KEY = f"sk-{secrets.token_hex(32)}"
"""It does not start without one."""

CONFIG = """\
model_list:
  - model_name: chat
    litellm_params: {{model: openai/lent, api_base: "{url}/v1", api_key: none}}
  - model_name: chat-by-ollama
    litellm_params: {{model: ollama_chat/lent, api_base: "{url}"}}
  - model_name: vectors
    litellm_params: {{model: openai/vectors, api_base: "{url}/v1", api_key: none}}
  - model_name: nobody
    litellm_params: {{model: openai/nobody, api_base: "{url}/v1", api_key: none}}
litellm_settings: {{num_retries: 0}}
"""


class CannotInstallError(Exception):
    """pip could not get it; the text is pip's last line."""


def litellm() -> Path:
    """The proxy's program, installed when it is not cached: minutes, once. CannotInstallError where it can't be had."""
    if given := os.environ.get("ZOOSUP_TEST_LITELLM"):
        return Path(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zoosup-tests"
    kept = cache / f"litellm-{VERSION}-{sys.version_info.major}.{sys.version_info.minor}"
    if not (kept / "complete").exists():
        venv.create(kept, with_pip=True, clear=True)
        pip = [kept / "bin" / "python", "-m", "pip", "install", "--quiet", f"litellm[proxy]=={VERSION}"]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotInstallError(done.stderr.strip().rpartition("\n")[2])
        (kept / "complete").touch()
    return kept / "bin" / "litellm"


@contextmanager
def proxy(program: Path, gateway: str) -> Iterator[str]:
    """One in front of a gateway: its address, while it runs."""
    [port] = free_ports(1)
    with tempfile.TemporaryDirectory() as home:
        config = Path(home) / "config.yaml"
        config.write_text(CONFIG.format(url=gateway))
        command = [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)]
        env = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": home, "LITELLM_MASTER_KEY": KEY}
        with (Path(home) / "log").open("wb") as log:
            process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, cwd=home)
        try:
            poll(lambda: process.poll() is not None or _lives(port), "LiteLLM's proxy to answer")
            assert process.poll() is None, (Path(home) / "log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _lives(port: int) -> bool:
    with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
