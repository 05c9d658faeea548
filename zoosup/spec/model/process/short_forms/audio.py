"""whisper.cpp's server as a short form.

By `whisper-server --help`: /health answers 503 while it loads, and the path at which it is asked can be chosen.
"""

import shlex
from collections.abc import Iterator
from typing import Annotated, ClassVar

from zoosup.spec.model.base import on_restart
from zoosup.spec.model.process.short_forms import kinds
from zoosup.spec.model.process.short_forms.base import ShortForm, flag, option
from zoosup.spec.model.values import kinds as values

_PATH = "/v1/audio/transcriptions"


class WhisperSpec(ShortForm):
    """A whisper-server."""

    usual_program: ClassVar[tuple[str, ...]] = ("whisper-server",)

    weights: Annotated[kinds.File, on_restart(f"The model, a ggml file: {kinds.FILE}.")]
    language: Annotated[
        values.Text | None, on_restart("The language that is spoken, such as de, or auto. null: en.")
    ] = None
    translate: Annotated[values.Flag, on_restart("true: what is said is put into English.")] = False
    convert: Annotated[
        values.Flag, on_restart("true: other formats than WAV are converted, which takes ffmpeg.")
    ] = False
    threads: Annotated[values.Count | None, on_restart("Threads that compute. null: 4.")] = None

    def options(self) -> Iterator[str]:
        """As its help names them, asked where clients of OpenAI ask."""
        yield from ("-m", self.weights)
        yield from option("-l", self.language)
        yield from flag("--translate", given=self.translate)
        yield from flag("--convert", given=self.convert)
        yield from option("-t", self.threads)
        yield from ("--inference-path", _PATH)

    def image_words(self, host: str, port: str) -> tuple[str, ...]:
        """Its image begins with `bash -c`, which takes one word."""
        words = self.words(host, port)
        return (" ".join(word if word == "${PORT}" else shlex.quote(word) for word in words),)

    def task_name(self) -> str:
        """Speech."""
        return "audio"
