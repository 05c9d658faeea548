"""Clients of the gateway as people have them: curl, and the openai package, set so that it tries nothing twice.

Knows how they are called; refuses to know what they are told.
"""

import subprocess
from dataclasses import dataclass

import openai

HELLO = [{"role": "user", "content": "hello"}]


def client(zoo, **options):
    return openai.OpenAI(base_url=f"{zoo.gateway()}/v1", **{"api_key": "none", "max_retries": 0} | options)


def ask(zoo, model, **options):
    """One short chat, answered in full."""
    with client(zoo) as api:
        return api.chat.completions.create(
            model=model, messages=HELLO, max_tokens=options.pop("max_tokens", 4), **options
        )


@dataclass(frozen=True)
class Answer:
    """What curl has got: its exit code too, which is 0 only for an answer that came to its end."""

    code: int
    status: int
    headers: dict[str, str]
    body: bytes


def curl(url, *options):
    done = subprocess.run(
        ["curl", "--silent", "--include", "--max-time", "60", *options, url],
        capture_output=True, check=False,
    )  # fmt: skip
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(": ") for line in lines):
        headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value)))
    return Answer(done.returncode, int(first.split()[1]), headers, body)
