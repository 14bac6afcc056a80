"""Asking the Hub what there is, through its own client."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from jackfield import (
    DownloadError,
    InvalidRequest,
    JackfieldError,
    NotFound,
    NotPermitted,
    Retries,
    SecretStr,
)
from jackfield_plugins.hub.reference import Reference

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo
    from huggingface_hub.errors import HfHubHTTPError

FOUND = 30
"""Results of a search."""
PATIENCE = 30.0
"""Seconds for an answer."""
BUSY = (429, 500, 502, 503, 504)
SET_TOKEN = "jackfield plugins configure hub token=hf_..."
T = TypeVar("T")


class HubApi:
    """The Hub's lists of models and of their files."""

    def __init__(self, endpoint: str, token: SecretStr, retries: Retries) -> None:
        self.endpoint = endpoint
        self._token = token
        self._retries = retries

    def search(self, words: str) -> list[ModelInfo]:
        """Models by their names, those that are fetched most first."""

        def ask(api: HfApi) -> list[ModelInfo]:
            found = api.list_models(
                search=words,
                sort="downloads",
                limit=FOUND,
                expand=["downloads", "gated", "tags", "pipeline_tag"],
            )
            return list(found)

        return self._ask(ask, Reference(repository=words))

    def model(self, asked: Reference) -> ModelInfo:
        """A repository at a revision, with its files' sizes and hashes."""

        def ask(api: HfApi) -> ModelInfo:
            return api.model_info(
                asked.repository,
                revision=asked.revision or None,
                files_metadata=True,
                timeout=PATIENCE,
            )

        return self._ask(ask, asked)

    def gated(self, repository: str, status: int) -> NotPermitted:
        """What to do about a repository that is not open to everybody."""
        page = f"{self.endpoint}/{repository}"
        if self._token.get_secret_value():
            return NotPermitted(
                f"The Hub does not let this token have {repository!r} (it answered {status}).",
                hint=f"Accept the terms on {page} with the token's account, or use a token that "
                f"may read it: {SET_TOKEN}",
            )
        return NotPermitted(
            f"{repository!r} is not open to everybody (the Hub answered {status}).",
            hint=f"Accept the terms on {page}, make a token on {self.endpoint}/settings/tokens, "
            f"then: {SET_TOKEN}",
        )

    def _ask(self, question: Callable[[HfApi], T], asked: Reference) -> T:
        """An answer, asked for again when the Hub is busy."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            OfflineModeIsEnabled,
        )

        # False: a token that another program left on this computer is not used unasked
        token = self._token.get_secret_value() or False
        api = HfApi(endpoint=self.endpoint, token=token, library_name="jackfield")
        for attempt in range(self._retries.attempts):
            try:
                return _within(PATIENCE * 2, lambda: question(api))
            except HfHubHTTPError as error:
                wait = _wait(error, self._retries, attempt)
                if wait is None:
                    raise self._refused(error, asked) from error
                time.sleep(wait)
            except HFValidationError as error:
                raise InvalidRequest(f"{asked.repository!r} is no name on the Hub.") from error
            except OfflineModeIsEnabled as error:
                raise NotPermitted(
                    "The Hub's client is switched off by HF_HUB_OFFLINE in the environment.",
                    hint="Unset it to search and fetch models.",
                ) from error
            except Exception as error:
                raise DownloadError(
                    f"The Hub at {self.endpoint} cannot be asked: {type(error).__name__}: {error}.",
                    hint="Check the network, then try again.",
                ) from error
        raise DownloadError(
            f"The Hub at {self.endpoint} is too busy to answer.", hint="Try again later."
        )

    def _refused(self, error: HfHubHTTPError, asked: Reference) -> JackfieldError:
        from huggingface_hub.errors import GatedRepoError, RevisionNotFoundError

        status = error.response.status_code
        if isinstance(error, RevisionNotFoundError):
            return NotFound(
                f"{asked.repository!r} has no revision {asked.revision!r}.",
                hint=f"See {self.endpoint}/{asked.repository}/commits",
            )
        if isinstance(error, GatedRepoError) or status == 403:
            return self.gated(asked.repository, status)
        if status in (401, 404):  # 401 also stands for what is not there, or not to be seen
            return self._nothing(asked.repository)
        return DownloadError(
            f"The Hub at {self.endpoint} answered {status}.", hint="Try again later."
        )

    def _nothing(self, repository: str) -> NotFound:
        nearest = self._nearest(repository)
        meant = f"Did you mean {nearest!r}? " if nearest else ""
        return NotFound(
            f"There is no model {repository!r} on the Hub, or it is private.",
            hint=f"{meant}Look for others: jackfield models search {repository.split('/')[-1]}. "
            f"For a private one set a token: {SET_TOKEN}",
            name=repository,
            nearest=nearest,
        )

    def _nearest(self, repository: str) -> str | None:
        """The most similar name among those that a search finds; None also if that fails."""
        owner, _, name = repository.partition("/")
        names: Sequence[str] = ()
        for words in (name, owner):
            try:
                names = [info.id for info in self.search(words)]
            except JackfieldError:
                return None
            if names:
                break
        return next(iter(get_close_matches(repository, names, n=1, cutoff=0.5)), None)


def _wait(error: HfHubHTTPError, retries: Retries, attempt: int) -> float | None:
    """Seconds until the question makes sense again, None if it does not."""
    if error.response.status_code not in BUSY or attempt + 1 >= retries.attempts:
        return None
    told = error.response.headers.get("Retry-After", "")
    asked = float(told) if told.isdigit() else 0.0
    if asked > retries.obeyed:
        return None
    patience = min(retries.first * 2.0**attempt, retries.longest)
    return max(asked, patience)


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """An answer in time: the Hub's client would wait for ever for some."""
    answers: queue.Queue[tuple[T | None, Exception | None]] = queue.Queue()

    def work() -> None:
        try:
            answers.put((ask(), None))
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
            answers.put((None, error))

    threading.Thread(target=work, name="ask the Hub", daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer in {seconds:.0f} seconds") from None
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]
