"""What the user can set, and the file it is kept in."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from jackfield.plugin import LongText
from jackfield.sampling import SamplingParams


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _sampling(value: dict[str, Any]) -> dict[str, Any]:
    """Sampling parameters as they were written, if they are valid."""
    try:
        SamplingParams.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return value


Sampling: TypeAlias = Annotated[dict[str, Any], AfterValidator(_sampling)]
"""Fields of SamplingParams; only those that were set."""


class ServerSettings(_Section):
    """Where the server listens. Changes take effect at the next start."""

    host: str = Field("127.0.0.1", description="Address to listen on; 127.0.0.1 is this computer")
    port: int = Field(7860, ge=1, le=65535, description="Port to listen on")
    open_browser: bool = Field(True, description="Open the dashboard in the browser at the start")
    allowed_hosts: list[str] = Field(
        [], description="Further host names by which the server may be called, one per line"
    )


class EngineSettings(_Section):
    """How long models stay in memory."""

    idle_minutes: float = Field(
        0,
        ge=0,
        le=10_080,
        description="Unload a model after so many minutes without a request; 0: never",
    )
    memory_budget_gb: float = Field(
        0,
        ge=0,
        le=4096,
        description="Memory for all models together, in GB; the least recently used is unloaded "
        "to keep it. 0: all but a reserve of what the computer has",
    )
    accelerator_share: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Part of each graphics card's memory that models may take together",
    )


class ChatSettings(_Section):
    """What a new chat begins with."""

    model: str = Field("", description="Model of a new chat; empty: the last one used")
    agent_description: LongText = Field(
        "",
        description="Tells the model who it is and how to answer (the system prompt), for example "
        "'You are a friendly travel advisor.'",
    )
    preset: str = Field("", description="Sampling preset of a new chat")
    sampling: Sampling = Field({}, description="Sampling parameters of a new chat")


class AdapterSettings(_Section):
    """A LoRA adapter of a model."""

    path: str = Field(description="Its folder or file, or its name in the folder for adapters")
    scale: float = Field(1.0, ge=-10, le=10, description="How strongly it is applied; 1: as made")


class ModelSettings(_Section):
    """What is kept for one model."""

    alias: str = Field("", description="Another name for it")
    loader: str = Field("", description="Loader; empty: the best match")
    options: dict[str, Any] = Field({}, description="Load options")
    template: str = Field("", description="Chat template; empty: the model's own")
    system_prompt: LongText = Field(
        "", description="Agent description of chats that have none of their own"
    )
    variant_of: str = Field(
        "", description="Another model: this one is its files with settings of its own"
    )
    sampling: Sampling = Field({}, description="Sampling parameters for this model")
    adapters: list[AdapterSettings] = Field(
        [], description="LoRA adapters that are attached when it is loaded"
    )


class PluginSettings(_Section):
    """What is kept for one plugin."""

    enabled: bool | None = Field(None, description="On or off; unset: as its author chose")
    config: dict[str, Any] = Field({}, description="Its options")


class Settings(_Section):
    """Everything in ``settings.toml``."""

    offline: bool = Field(False, description="Refuse plugins and downloads that use the network")
    model_folders: list[str] = Field(
        [], description="Further folders to look for models in, one per line"
    )
    server: ServerSettings = ServerSettings()
    engine: EngineSettings = EngineSettings()
    chat: ChatSettings = ChatSettings()
    models: dict[str, ModelSettings] = Field({}, description="By model")
    plugins: dict[str, PluginSettings] = Field({}, description="By plugin")
    plugin_order: list[str] = Field([], description="Plugins in the order in which they run")
    tools: dict[str, Literal["always", "never"]] = Field(
        {}, description="Tools that may always or never run, without a question; by tool"
    )
    choices: dict[str, str] = Field(
        {}, description="Which plugin was chosen where several offer the same"
    )
