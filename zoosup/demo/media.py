"""Pictures and sound in OpenAI's API: real files that show one colour and say nothing.

Knows PNG and WAV as far as they are needed, and the shapes of that API.
"""

import base64
import hashlib
import struct
import time
import zlib

from zoosup.demo.generation import DISCLAIMER, Body, Document, text_of

SIDE = 8
"""Pixels of a picture's side."""

RATE = 8000
"""Samples of sound a second."""

WORDS_A_SECOND = 4
MAX_PICTURES = 10


def generate_images(body: Body, _model: str) -> Document:
    """Answer /v1/images/generations; a ValueError says what is wrong."""
    return _images(text_of(body.get("prompt", "")), body.get("n") or 1)


def edit_images(form: Body, _model: str) -> Document:
    """Answer /v1/images/edits; a ValueError says what is wrong."""
    if "image" not in form and "image[]" not in form:
        raise ValueError("image: field required")
    return _images(str(form.get("prompt", "")), int(form.get("n", 1)))


def _images(prompt: str, number: object) -> Document:
    if not prompt:
        raise ValueError("prompt must be a text")
    if not isinstance(number, int) or not 1 <= number <= MAX_PICTURES:
        raise ValueError(f"n must be 1 to {MAX_PICTURES}")
    picture = {"b64_json": base64.b64encode(_png(prompt)).decode(), "revised_prompt": DISCLAIMER}
    return {"created": int(time.time()), "data": [picture] * number}


def _png(prompt: str) -> bytes:
    """A square of a colour that depends on the prompt alone."""
    colour = hashlib.shake_256(prompt.encode()).digest(3)
    header = struct.pack(">2I5B", SIDE, SIDE, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + colour * SIDE) * SIDE)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def speech(body: Body, _model: str) -> bytes:
    """Answer /v1/audio/speech: silence, as long as the text takes to say, as WAV whatever format was asked for."""
    text = body.get("input")
    if not isinstance(text, str) or not text:
        raise ValueError("input must be a text")
    samples = RATE * len(text.split()) // WORDS_A_SECOND
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + samples, b"WAVE", b"fmt ", 16, 1, 1, RATE, RATE, 1, 8)
    return head + struct.pack("<4sI", b"data", samples) + b"\x80" * samples


def transcription(form: Body, model: str) -> Document | str:
    """Answer /v1/audio/transcriptions: how much was heard; a ValueError where no file came."""
    if "file" not in form:
        raise ValueError("file: field required")
    text = f"{DISCLAIMER} {model} heard {len(form['file'])} bytes"
    return f"{text}\n" if form.get("response_format") == "text" else {"text": text}
