"""The loader of other servers' models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from jackfield import (
    ListedModel,
    LoadedModel,
    Loader,
    LoadOptions,
    Machine,
    Match,
    MemoryEstimate,
    ModelFiles,
    SecretStr,
    Settled,
)
from jackfield_loaders.remote.options import RemoteOptions
from jackfield_loaders.remote.servers import Servers

WORKER = 45_000_000
"""Bytes of the process that speaks to the server."""


class RemoteLoader(Loader):
    """Opens what another server offers; in a worker, made without the list of servers."""

    name: ClassVar[str] = "remote"
    Options: ClassVar[type[LoadOptions]] = RemoteOptions

    def __init__(self, servers: Servers | None = None) -> None:
        self._servers = servers

    def listed(self) -> Sequence[ListedModel]:
        """What the servers said that they have."""
        return self._servers.listed() if self._servers is not None else ()

    def probe(self, files: ModelFiles) -> Match | None:
        """Models of servers only."""
        if files.format != "remote" or "model" not in files.metadata:
            return None
        return Match(90, f"a model of the server {files.metadata.get('server')!r}")

    def settle(self, files: ModelFiles, options: RemoteOptions, machine: Machine) -> Settled:
        """Put in where the server is, and its key."""
        chosen = options.model_copy()
        reasons = []
        if not chosen.address:
            chosen.address = str(files.metadata.get("address", ""))
        if self._servers is not None:
            chosen.api_key = SecretStr(self._servers.key(str(files.metadata.get("server", ""))))
        if not chosen.n_ctx:
            told = int(files.metadata.get("context_length") or 0)
            chosen.n_ctx = told or 8192
            who = "as the server says" if told else "the server does not say its own"
            reasons.append(f"Context of {chosen.n_ctx:,} tokens: {who}.")
        return Settled(chosen, tuple(reasons))

    def estimate(self, files: ModelFiles, options: RemoteOptions) -> MemoryEstimate:
        """Nothing but a small process: the model is elsewhere."""
        return MemoryEstimate(0, 0, WORKER)

    def load(self, files: ModelFiles, options: RemoteOptions) -> LoadedModel:
        """See that the server is there and has the model."""
        from jackfield_loaders.remote.model import RemoteModel

        return RemoteModel(files, options)
