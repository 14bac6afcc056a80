"""How an embedding model or a cross-encoder is loaded."""

from __future__ import annotations

from typing import Literal

from jackfield import Field, LoadOptions


class SentenceTransformersOptions(LoadOptions):
    """The load form of embedding models and rerankers."""

    device: str = Field(
        "auto",
        title="Device",
        pattern=r"^(auto|cpu|mps|(cuda|xpu)(:\d+)?)$",
        description="Where it runs: cpu, cuda:0, ... auto: the accelerator with most free memory "
        "if the model fits there, else the processor.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        title="Data type",
        description="Precision of the weights in memory. auto: float32 on the processor, as they "
        "are stored on an accelerator.",
    )
    batch_size: int = Field(
        32,
        title="Batch size",
        ge=1,
        le=4096,
        description="Texts computed together. More can be faster on an accelerator and takes more "
        "memory.",
    )
    max_seq_length: int = Field(
        0,
        title="Longest text",
        ge=0,
        le=1_000_000,
        description="Tokens of the longest text it reads. 0: what the model was made for.",
    )
    truncate: bool = Field(
        False,
        title="Cut long texts",
        description="Read only the beginning of a text that is too long, instead of refusing it.",
    )
    normalize: bool = Field(
        True,
        title="Vectors of length 1",
        description="Scale vectors to length 1, as OpenAI's are. Rerankers have none.",
    )
    prompt_name: str = Field(
        "",
        title="Prompt",
        description="Name of one of the model's own prompts to put before each text, such as "
        "query or document. Empty: its default, mostly none.",
    )
    n_threads: int = Field(
        0,
        title="Threads",
        ge=0,
        le=512,
        description="Processor threads. 0: one for each physical core.",
    )
    parallel: int = Field(
        32,
        title="Requests at once",
        ge=1,
        le=256,
        description="Requests taken at once; their texts are computed in the same batches.",
    )
    trust_remote_code: bool = Field(
        False,
        title="Run the model's own code",
        description="Run Python code that lies in the model's folder, with all your rights. Only "
        "for models whose code you have read.",
    )
