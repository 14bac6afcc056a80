"""A source of models: the Hugging Face Hub."""

from __future__ import annotations

from pydantic import field_validator

from jackfield import Field, ModelSource, Plugin, Reach, SecretStr, hookimpl
from jackfield_plugins.hub.source import HubSource

__all__ = ["Hub", "HubSource"]

ENDPOINT = "https://huggingface.co"


class Hub(Plugin):
    """Searches the Hugging Face Hub and fetches models from it."""

    requires_api = ">=1,<2"
    reach = Reach(
        network="download",
        hosts=("huggingface.co, or the address in its options", "where that keeps its files"),
    )

    class Config(Plugin.Config):
        """Options of the source."""

        token: SecretStr = Field(
            SecretStr(""),
            title="Access token",
            description="For gated and private repositories: a token with read access, made on "
            "huggingface.co/settings/tokens. It is sent to the address below alone.",
        )
        endpoint: str = Field(
            ENDPOINT,
            title="Address",
            description="Of the Hub, or of a mirror that speaks like it",
        )
        allow_pickle: bool = Field(
            False,
            title="Allow pickle weights",
            description="Fetch repositories that have their weights only as pickle files. Such a "
            "file can run any program when it is opened: allow it only for authors you trust.",
        )

        @field_validator("endpoint")
        @classmethod
        def _address(cls, value: str) -> str:
            value = value.strip().rstrip("/")
            if not value.startswith(("https://", "http://")) or "@" in value:
                raise ValueError("an address begins with https:// or http:// and has no password")
            return value

    @hookimpl
    def jackfield_model_sources(self) -> list[ModelSource]:
        """One source, made from the options."""
        return [
            HubSource(
                self.config.endpoint,
                self.config.token,
                allow_pickle=self.config.allow_pickle,
                offline=self.context.offline,
            )
        ]
