"""Jackfield: an extensible workbench for local language models.

These are the names for plugin authors; everything else may change without notice.
"""

from pydantic import Field, SecretStr

from jackfield.catalog.file_source import FileSource
from jackfield.catalog.source import Fetched, ModelSource, Offer, RemoteFile
from jackfield.catalog.transfer import Retries
from jackfield.errors import (
    DiskFull,
    DownloadError,
    InvalidRequest,
    JackfieldError,
    LoaderError,
    LoadFailed,
    ModelFileError,
    NotFound,
    NotPermitted,
    PromptTooLong,
    TurnRefused,
)
from jackfield.loader import (
    Adapter,
    Environment,
    ListedModel,
    LoadedModel,
    Loader,
    LoadOptions,
    Match,
    ModelFiles,
    ModelInfo,
    Prompt,
    Settled,
    Token,
)
from jackfield.logits import LogitsProcessor
from jackfield.machine import Device, Machine, MemoryEstimate
from jackfield.messages import (
    Alternative,
    DoneEvent,
    ErrorEvent,
    Event,
    MediaPart,
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
from jackfield.sampling import SAMPLERS, SamplingParams, SamplingPreset
from jackfield.templates.template import ChatTemplate
from jackfield.vectors import Embeddings, Ranking

__all__ = [
    "API_VERSION",
    "SAMPLERS",
    "Adapter",
    "Alternative",
    "ChatTemplate",
    "Device",
    "DiskFull",
    "DoneEvent",
    "DownloadError",
    "Embeddings",
    "Environment",
    "ErrorEvent",
    "Event",
    "Fetched",
    "Field",
    "FileSource",
    "InvalidRequest",
    "JackfieldError",
    "ListedModel",
    "LoadFailed",
    "LoadOptions",
    "LoadedModel",
    "Loader",
    "LoaderError",
    "LogitsProcessor",
    "LongText",
    "Machine",
    "Match",
    "MediaPart",
    "MemoryEstimate",
    "Message",
    "ModelFileError",
    "ModelFiles",
    "ModelInfo",
    "ModelSource",
    "NotFound",
    "NotPermitted",
    "NoticeEvent",
    "Offer",
    "Page",
    "Passage",
    "Plugin",
    "Prompt",
    "PromptTooLong",
    "Ranking",
    "Reach",
    "ReasoningEvent",
    "RemoteFile",
    "ReplacedEvent",
    "Retries",
    "SamplingParams",
    "SamplingPreset",
    "SecretStr",
    "Settled",
    "SourceEvent",
    "TextEvent",
    "TextPart",
    "Token",
    "TurnRefused",
    "UsageEvent",
    "hookimpl",
    "message",
]
