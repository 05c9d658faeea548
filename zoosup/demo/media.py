"""What the demonstration server answers beside text: pictures and sound that are real files and show nothing.

Pure: knows PNG and WAV as far as they are needed, and the shapes of OpenAI's image and audio APIs.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Any

from zoosup.demo.answers import DISCLAIMER

if TYPE_CHECKING:
    from collections.abc import Mapping

SIDE = 8
"""Pixels of a picture's side: it is one colour."""

RATE = 8000
"""Samples of sound a second."""

WORDS_A_SECOND = 4
MOST_PICTURES = 10


def images(prompt: str, count: object, *, created: int) -> dict[str, Any]:
    """Answer /v1/images: pictures of a colour that depends on the prompt alone; a ValueError says what is wrong."""
    if not prompt:
        raise ValueError("prompt must be a text")
    if not isinstance(count, int) or not 1 <= count <= MOST_PICTURES:
        raise ValueError(f"n must be 1 to {MOST_PICTURES}")
    colour = hashlib.shake_256(prompt.encode()).digest(3)
    picture = {"b64_json": base64.b64encode(png(colour)).decode(), "revised_prompt": DISCLAIMER}
    return {"created": created, "data": [picture] * count}


def png(colour: bytes) -> bytes:
    """A square of one colour (red, green, blue)."""
    header = struct.pack(">2I5B", SIDE, SIDE, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + colour * SIDE) * SIDE)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def speech(body: Mapping[str, Any]) -> bytes:
    """Answer /v1/audio/speech: silence, as long as the text takes to say, whatever format was asked for."""
    text = body.get("input")
    if not isinstance(text, str) or not text:
        raise ValueError("input must be a text")
    return wav(RATE * len(text.split()) // WORDS_A_SECOND)


def wav(samples: int) -> bytes:
    """So many samples of silence: one channel, eight bits."""
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + samples, b"WAVE", b"fmt ", 16, 1, 1, RATE, RATE, 1, 8)
    return head + struct.pack("<4sI", b"data", samples) + b"\x80" * samples


def transcription(form: Mapping[str, bytes], *, model: str) -> str:
    """What /v1/audio/transcriptions has heard; a ValueError where no file came."""
    if "file" not in form:
        raise ValueError("file: field required")
    return f"{DISCLAIMER} {model} heard {len(form['file'])} bytes"
