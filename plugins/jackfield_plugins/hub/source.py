"""Models of the Hugging Face Hub as offers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from jackfield import (
    FileSource,
    InvalidRequest,
    JackfieldError,
    NotFound,
    Offer,
    RemoteFile,
    Retries,
    SecretStr,
)
from jackfield_plugins.hub.api import HubApi
from jackfield_plugins.hub.reference import Reference, read
from jackfield_plugins.hub.variants import Variant, chosen, has_pickle, variants

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

FORMATS = ("gguf", "safetensors")


class HubSource(FileSource):
    """The Hugging Face Hub, or a mirror that speaks like it.

    Args:
        endpoint: its address, without a slash at the end.
        token: "" for none.
        allow_pickle: fetch weights that could run programs, where there are no others.
    """

    name = "hub"
    title = "Hugging Face Hub"

    def __init__(
        self,
        endpoint: str,
        token: SecretStr,
        *,
        allow_pickle: bool = False,
        offline: Callable[[], bool] = lambda: False,
        retries: Retries | None = None,
    ) -> None:
        super().__init__(offline=offline, retries=retries)
        self._endpoint = endpoint
        self._token = token
        self._allow_pickle = allow_pickle
        self._api = HubApi(endpoint, token, retries or Retries())

    def headers(self, url: str) -> Mapping[str, str]:
        """The token, for the Hub's own address."""
        token = self._token.get_secret_value()
        here, home = urlsplit(url), urlsplit(self._endpoint)
        if not token or (here.scheme, here.netloc) != (home.scheme, home.netloc):
            return {}
        return {"Authorization": f"Bearer {token}"}

    def refusal(self, offer: Offer, file: RemoteFile, status: int) -> JackfieldError:
        """Where terms have to be accepted, and how a token is set."""
        if status in (401, 403):
            return self._api.gated(offer.repository, status)
        return super().refusal(offer, file, status)

    def search(self, words: str) -> list[Offer]:
        """Repositories with weights that can be opened, those that are fetched most first."""
        self.refuse_offline(words)
        found = []
        for info in self._api.search(words):
            tags = info.tags or []
            formats = [one for one in FORMATS if one in tags]
            if not formats and not self._allow_pickle:
                continue
            about = [*(one.upper() if one == "gguf" else one for one in formats)]
            about += [info.pipeline_tag] if info.pipeline_tag else []
            found.append(
                Offer(
                    name=_name(info.id, ""),
                    title=info.id,
                    description=", ".join(about),
                    license=_license(info),
                    reference=info.id,
                    repository=info.id,
                    page=f"{self._endpoint}/{info.id}",
                    gated=bool(info.gated),
                    popularity=info.downloads or 0,
                )
            )
        return found

    def resolve(self, reference: str) -> Offer | None:
        """The quantization that is asked for, or a good one; the whole folder where there is none.

        Raises:
            NotFound: there is no such repository, or nothing in it that could be opened.
            NotPermitted: it is gated, or weights in it are pickle files.
        """
        asked = read(reference, self._endpoint)
        if asked is None:
            return None
        info, found = self._look(asked)
        variant = chosen(found, asked.choice)
        if variant is None:
            raise NotFound(
                f"{asked.repository!r} has no {asked.choice!r}.",
                hint=f"It has: {_listed(found)}.",
                name=asked.choice,
                variants=[one.label for one in found],
            )
        notice = ""
        if not asked.choice and len(found) > 1:
            notice = (
                f"{variant.label or 'The whole folder'} was chosen. There is: {_listed(found)}. "
                f"Another: jackfield models pull {asked.repository}:{found[-1].label or 'NAME'}"
            )
        return self._offer(asked, info, variant, notice)

    def variants(self, reference: str) -> Sequence[Offer]:
        """Each quantization, and the whole folder."""
        asked = read(reference, self._endpoint)
        if asked is None:
            return []
        info, found = self._look(asked)
        return [self._offer(asked, info, variant) for variant in found]

    def _look(self, asked: Reference) -> tuple[ModelInfo, list[Variant]]:
        self.refuse_offline(asked.repository)
        info = self._api.model(asked)
        files = [self._file(info, one) for one in info.siblings or ()]
        found = variants(files, allow_pickle=self._allow_pickle)
        if found:
            return info, found
        if has_pickle(files):
            raise InvalidRequest(
                f"{asked.repository!r} has its weights only as pickle files, which can run any "
                "program when they are opened.",
                hint="Look for a copy in safetensors or GGUF. If you trust its author: "
                "jackfield plugins configure hub allow_pickle=true",
            )
        raise NotFound(
            f"{asked.repository!r} has no weights that Jackfield knows: no .gguf files, and no "
            "folder with safetensors.",
            hint=f"See {self._endpoint}/{asked.repository}",
        )

    def _file(self, info: ModelInfo, sibling: Any) -> RemoteFile:
        """A file of a repository; the address names the commit, so that it cannot change."""
        path = sibling.rfilename
        lfs = sibling.lfs
        return RemoteFile(
            path=path,
            url=f"{self._endpoint}/{info.id}/resolve/{info.sha}/{quote(path)}",
            size=(lfs.size if lfs else sibling.size) or 0,
            sha256=lfs.sha256 if lfs else "",
            git_sha1=(sibling.blob_id or "") if not lfs else "",
        )

    def _offer(
        self, asked: Reference, info: ModelInfo, variant: Variant, notice: str = ""
    ) -> Offer:
        kept = Reference(repository=info.id, revision=asked.revision, choice=variant.label)
        config, gguf = info.config or {}, info.gguf or {}
        return Offer(
            name=_name(info.id, variant.label),
            title=f"{info.id} {variant.label}".strip(),
            description=info.pipeline_tag or "",
            size=variant.size,
            license=_license(info),
            architecture=str(gguf.get("architecture") or config.get("model_type") or ""),
            quantization=variant.quantization,
            reference=str(kept),
            repository=info.id,
            revision=info.sha or "",
            files=variant.files,
            page=f"{self._endpoint}/{info.id}",
            gated=bool(info.gated),
            popularity=info.downloads or 0,
            notice=notice,
        )


def _name(repository: str, label: str) -> str:
    """What a model is called here: the repository's name, and the quantization."""
    base = _clean(re.sub(r"[-_.]gguf$", "", repository.rpartition("/")[2], flags=re.IGNORECASE))
    label = _clean(label)
    if not label or base.endswith(f"-{label}"):
        return base
    return label if label.startswith(base) else f"{base}-{label}"[:100].rstrip("-.")


def _clean(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:100]


def _license(info: ModelInfo) -> str:
    """As its tags say, which are there in searches as well."""
    return next((tag[8:] for tag in info.tags or () if tag.startswith("license:")), "")


def _listed(found: Sequence[Variant]) -> str:
    return ", ".join(
        f"{one.label or 'the whole folder'} ({one.size / 1e6:,.0f} MB)" for one in found
    )
