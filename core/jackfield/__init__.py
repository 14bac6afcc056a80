"""Jackfield: an extensible workbench for local language models.

These are the names for plugin authors; everything else may change without notice.
"""

from pydantic import Field, SecretStr

from jackfield.catalog.source import ModelSource, Offer
from jackfield.errors import (
    DiskFull,
    DownloadError,
    InvalidRequest,
    JackfieldError,
    LoaderError,
    LoadFailed,
    ModelFileError,
    PromptTooLong,
    TurnRefused,
)
from jackfield.loader import (
    LoadedModel,
    Loader,
    LoadOptions,
    Match,
    MemoryEstimate,
    ModelFiles,
    ModelInfo,
    Prompt,
    Token,
)
from jackfield.messages import (
    Alternative,
    DoneEvent,
    ErrorEvent,
    Event,
    Message,
    NoticeEvent,
    Passage,
    ReasoningEvent,
    ReplacedEvent,
    SourceEvent,
    TextEvent,
    TextPart,
    UsageEvent,
    message,
)
from jackfield.page import Page
from jackfield.plugin import API_VERSION, LongText, Plugin, Reach, hookimpl
from jackfield.sampling import SamplingParams, SamplingPreset
from jackfield.templates.template import ChatTemplate

__all__ = [
    "API_VERSION",
    "Alternative",
    "ChatTemplate",
    "DiskFull",
    "DoneEvent",
    "DownloadError",
    "ErrorEvent",
    "Event",
    "Field",
    "InvalidRequest",
    "JackfieldError",
    "LoadFailed",
    "LoadOptions",
    "LoadedModel",
    "Loader",
    "LoaderError",
    "LongText",
    "Match",
    "MemoryEstimate",
    "Message",
    "ModelFileError",
    "ModelFiles",
    "ModelInfo",
    "ModelSource",
    "NoticeEvent",
    "Offer",
    "Page",
    "Passage",
    "Plugin",
    "Prompt",
    "PromptTooLong",
    "Reach",
    "ReasoningEvent",
    "ReplacedEvent",
    "SamplingParams",
    "SamplingPreset",
    "SecretStr",
    "SourceEvent",
    "TextEvent",
    "TextPart",
    "Token",
    "TurnRefused",
    "UsageEvent",
    "hookimpl",
    "message",
]
