"""What the Hugging Face hub is asked, by huggingface_hub, and what it refuses, in plain words.

huggingface_hub is an extra: loaded when the first question is asked. It reads the time-outs from this process's
environment; HF_ENDPOINT and HF_TOKEN are those of whom it is asked for. Its own download does not take up what an
earlier process began, so that bytes are streamed here.
"""

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from zoosup.errors import ZoosupError
from zoosup.spec.model.values.weight_names import HubName, leads_out

MISSING = "fetching takes huggingface_hub, which is not installed: pip install 'zoosup[fetch]'"
OFFLINE = "HF_HUB_OFFLINE is set, so that nothing is asked of the hub; unset it to fetch"

_TOKEN = "hf auth login, or HF_TOKEN in the environment"  # noqa: S105 - no token
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})


class FetchError(ZoosupError):
    """Weights can't be had; the text says why, and what to do."""


class BrokenOffError(Exception):
    """The connection ended in the middle: it is worth another try."""


@dataclass(frozen=True, slots=True)
class Repository:
    """One commit of a repository: the size of each file by its name, and of large ones the etag."""

    repo: str
    commit: str
    sizes: Mapping[str, int]
    etags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """Where one file is to be had. `etag` names its content: its SHA-256, or git's SHA-1 of a small one."""

    url: str
    etag: str
    size: int
    headers: Mapping[str, str]


class Hub:
    """The hub that the environment names; FetchError where it can't be asked at all."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        if environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE:
            raise FetchError(OFFLINE)
        try:
            self._library: Any = importlib.import_module("huggingface_hub")
            self._utils: Any = importlib.import_module("huggingface_hub.utils")
            self._errors: Any = importlib.import_module("huggingface_hub.errors")
            constants: Any = importlib.import_module("huggingface_hub.constants")
        except ImportError:
            raise FetchError(MISSING) from None
        except ValueError as error:  # a variable of the environment that means nothing to it
            raise FetchError(f"huggingface_hub can't read its HF_ variables: {_one_line(error)}") from None
        self.endpoint: str = (environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
        # None: as the library finds it. A line end within it would have the library show it in an error.
        self._token = "".join(environ.get("HF_TOKEN", "").split()) or None
        self._timeout: float = constants.HF_HUB_DOWNLOAD_TIMEOUT

    def repository(self, name: HubName) -> Repository:
        """What the hub has under this name; FetchError."""
        with self._asking(name):
            found = self._library.HfApi(self.endpoint, token=self._token).model_info(
                name.repo, revision=name.revision or None, files_metadata=True, timeout=self._timeout
            )
        if not found.sha:
            raise FetchError(f"{self.endpoint} names no commit of {name.repo}")
        files = [each for each in found.siblings or () if not leads_out(each.rfilename)]
        sizes = {each.rfilename: each.size or 0 for each in files}
        return Repository(name.repo, found.sha, sizes, {e.rfilename: e.lfs.sha256 for e in files if e.lfs})

    def source(self, of: Repository, file: str) -> Source:
        """Where a file is to be had; FetchError."""
        url = self._library.hf_hub_url(of.repo, file, revision=of.commit, endpoint=self.endpoint)
        with self._asking(HubName(of.repo, file)):
            found = self._library.get_hf_file_metadata(url, token=self._token, endpoint=self.endpoint)
        if not found.etag or found.size is None or "/" in found.etag:
            raise FetchError(f"{self.endpoint} does not say what {file} of {of.repo} is")
        near = urlsplit(found.location).netloc == urlsplit(url).netloc
        # Another host, a CDN, has its own leave in the address, and is not shown our token.
        headers = self._utils.build_hf_headers(token=self._token, library_name="zoosup") if near else {}
        return Source(found.location, found.etag, found.size, {**headers, "Accept-Encoding": "identity"})

    @contextmanager
    def stream(self, source: Source, begin: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Where the answer begins, and its bytes; BrokenOffError, FetchError."""
        headers = {**source.headers, **({"Range": f"bytes={begin}-"} if begin else {})}
        session = self._library.get_session()
        try:
            with session.stream("GET", source.url, headers=headers, timeout=self._timeout) as answer:
                if answer.status_code >= 500 or answer.status_code in {408, 429}:  # noqa: PLR2004 - HTTP's own
                    raise BrokenOffError(f"HTTP {answer.status_code}")
                if answer.status_code >= 400:  # noqa: PLR2004
                    raise FetchError(f"{source.url} is refused: HTTP {answer.status_code}")
                there = begin if answer.status_code == 206 else 0  # noqa: PLR2004 - partial content
                yield there, answer.iter_raw()  # as it comes: what is held back is lost where it breaks off
        except self._errors.HTTPError as error:
            raise BrokenOffError(str(error) or type(error).__name__) from None

    @contextmanager
    def _asking(self, name: HubName) -> Iterator[None]:
        try:
            yield
        except self._errors.HfHubHTTPError as error:
            raise FetchError(self._refusal(name, error)) from None
        except (self._errors.HTTPError, OSError, ValueError) as error:
            raise FetchError(f"{self.endpoint} can't be asked for {name.repo}: {_one_line(error)}") from None

    def _refusal(self, name: HubName, error: Exception) -> str:
        """What a refusal means for the person who asked."""
        errors, status = self._errors, getattr(getattr(error, "response", None), "status_code", 0)
        page = f"{self.endpoint}/{name.repo}"
        meant = [
            (
                isinstance(error, errors.GatedRepoError),
                f"{name.repo} is gated: accept its terms at {page}, then say who you are: {_TOKEN}",
            ),
            (
                isinstance(error, errors.RevisionNotFoundError),
                f"{name.repo} has no revision {name.revision or 'main'}: see {page}",
            ),
            (
                isinstance(error, errors.EntryNotFoundError),
                f"{name.repo} has no {name.file}: see {page}/tree/main",
            ),
            (
                status == 401 and (self._token or self._library.get_token()) is not None,  # noqa: PLR2004 - HTTP's own
                f"the hub does not accept the token for {name.repo}: make a new one, then {_TOKEN}",
            ),
            (
                isinstance(error, errors.RepositoryNotFoundError),
                f"{name.repo} is not at {self.endpoint}, or is private and takes a token: {_TOKEN}",
            ),
            (
                status == 403,  # noqa: PLR2004 - HTTP's own
                f"the token may not read {name.repo}: give it leave, or ask for access at {page}",
            ),
        ]
        usual = f"{self.endpoint} refuses {name.repo}: {_one_line(error)}"
        return next((words for so, words in meant if so), usual)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
