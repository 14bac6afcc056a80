"""Models of other servers that speak OpenAI's API."""

from __future__ import annotations

from pydantic import field_validator

from jackfield import Field, Loader, Plugin, Reach, SecretStr, hookimpl
from jackfield_loaders.remote.loader import RemoteLoader
from jackfield_loaders.remote.servers import Servers, keys, named

__all__ = ["Remote", "RemoteLoader"]


class Remote(Plugin):
    """Uses the models of vLLM, Ollama, llama-server, LM Studio, another Jackfield, ..."""

    requires_api = ">=1,<2"
    reach = Reach(network="runtime", hosts=("the servers that you name",))

    class Config(Plugin.Config):
        """Which servers there are."""

        servers: list[str] = Field(
            [],
            title="Servers",
            description="One per line, a name and an address: box = http://192.168.1.5:8000/v1",
        )
        keys: SecretStr = Field(
            SecretStr(""),
            title="Keys",
            description="For servers that want one, separated by commas: box = sk-..., other = ...",
        )

        @field_validator("servers")
        @classmethod
        def _addresses(cls, value: list[str]) -> list[str]:
            named(value)
            return value

        @field_validator("keys")
        @classmethod
        def _pairs(cls, value: SecretStr) -> SecretStr:
            keys(value.get_secret_value())
            return value

    _servers: Servers | None = None

    @hookimpl
    def jackfield_loaders(self) -> list[Loader]:
        """The loader of the servers' models."""
        if self._servers is None:
            self._servers = Servers(self.context.data, self.context.offline)
        self._servers.use(self.config.servers, self.config.keys)
        return [RemoteLoader(self._servers)]
