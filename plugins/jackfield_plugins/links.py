"""A source of models: addresses of single files."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from jackfield import (
    FileSource,
    InvalidRequest,
    ModelSource,
    Offer,
    Plugin,
    Reach,
    RemoteFile,
    hookimpl,
)

SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class Links(Plugin):
    """Fetches a .gguf file from any http or https address that you give."""

    requires_api = ">=1,<2"
    reach = Reach(network="download", hosts=("the addresses that you give",))

    @hookimpl
    def jackfield_model_sources(self) -> list[ModelSource]:
        """One source."""
        return [LinkSource(offline=self.context.offline)]


class LinkSource(FileSource):
    """Single .gguf files; ``#sha256=...`` after the address says what must arrive."""

    name = "links"
    title = "Addresses"

    def search(self, words: str) -> list[Offer]:
        """Nothing: an address is given, not looked for."""
        return []

    def resolve(self, reference: str) -> Offer | None:
        """The file behind an address that ends in ``.gguf``.

        Raises:
            InvalidRequest: it has a password in it, or its hash is none.
        """
        reference = reference.strip()
        if not reference.lower().startswith(("https://", "http://")):
            return None
        parts = urlsplit(reference)
        file = PurePosixPath(unquote(parts.path)).name
        if not file.lower().endswith(".gguf"):
            raise InvalidRequest(
                f"{reference.partition('?')[0]!r} is not the address of a .gguf file.",
                hint="Give the address of the file itself, or owner/name for a model on the Hub.",
            )
        if "@" in parts.netloc:
            raise InvalidRequest("An address with a password in it would be kept on disk.")
        url, _, fragment = reference.partition("#")
        sha256 = next(iter(parse_qs(fragment).get("sha256", [])), "")
        if fragment and not SHA256.fullmatch(sha256):
            raise InvalidRequest(
                f"{fragment!r} after the address is not of the form sha256= and 64 digits."
            )
        name = re.sub(r"[^a-z0-9._-]+", "-", file.lower().removesuffix(".gguf")).strip("-._")[:100]
        return Offer(
            name=name or "model",
            title=file,
            description=f"From {parts.hostname}",
            reference=reference,
            repository=url.partition("?")[0],
            files=(RemoteFile(path=file, url=url, sha256=sha256.lower()),),
            page="",
        )
