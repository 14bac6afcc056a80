"""llama.cpp's own server inside the process, through xllamacpp.

Requests run beside each other in one batch, each in a slot with a context of its own; a slot keeps
what it computed, so that a prompt with the same beginning is not read again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import WeakSet

import msgspec

from jackfield import (
    InvalidRequest,
    LoadedModel,
    LoadFailed,
    ModelFiles,
    ModelInfo,
    Prompt,
    SamplingParams,
    Token,
)
from jackfield_loaders.gguf.loopback import Loopback
from jackfield_loaders.gguf.options import GgufOptions, adapter
from jackfield_loaders.gguf.pooling import pooling
from jackfield_loaders.gguf.processor import threads
from jackfield_loaders.gguf.reply import LONGEST_WAIT, Reply
from jackfield_loaders.gguf.sampling import COMPACT, FIELDS, encodable, request_fields, spellings
from jackfield_loaders.gguf.shape import Facts

ERRORS = 1
"""The level of the engine's log at which it tells of errors only; its warnings are many."""

KNOWN_SCHEMAS = 64
"""How many checked JSON schemas are remembered."""


class XllamacppModel(LoadedModel):
    """A model in xllamacpp's server."""

    def __init__(self, files: ModelFiles, options: GgufOptions) -> None:
        import xllamacpp

        self._loopback = Loopback()
        self._replies: WeakSet[Reply] = WeakSet()
        self._threads: WeakSet[threading.Thread] = WeakSet()
        self._schemas: dict[bytes, bool] = {}
        self._schemas_lock = threading.Lock()
        try:
            self._server: Any = xllamacpp.Server(_parameters(files, options, self._loopback))
        except RuntimeError as error:
            self._loopback.close()
            raise LoadFailed(f"xllamacpp could not load {files.path.name!r}.") from error
        self._loopback.connect(self._server.listening_address)
        self.info = self._info(files, options)

    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        """Start a request; its tokens are read from the returned :class:`Reply`."""
        request = {"prompt": self._without_bos(prompt), "stream": True}
        request |= request_fields(params, self.info, self._bans)
        if "json_schema" in request:
            self._check_schema(request)
        reply = Reply(self._run(request), params)
        self._replies.add(reply)
        self._threads.add(reply.thread)
        return reply

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids, asked of the engine."""
        body = {"content": encodable(text), "add_special": False, "parse_special": special}
        tokens: list[int] = self._loopback.ask("/tokenize", body)["tokens"]
        return tokens

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids, asked of the engine."""
        for token in tokens:
            if not 0 <= token < self.info.vocabulary:
                raise InvalidRequest(
                    f"There is no token {token!r}; the model has tokens 0 to "
                    f"{self.info.vocabulary - 1}."
                )
        return str(self._loopback.ask("/detokenize", {"tokens": list(tokens)})["content"])

    def close(self) -> None:
        """Cancel what runs, end the server and give back its memory."""
        for reply in list(self._replies):
            reply.close()
        for thread in list(self._threads):
            thread.join(timeout=LONGEST_WAIT)  # of a reply that was dropped halfway
        self._loopback.close()
        self._server = None

    def _run(self, request: dict[str, Any]) -> Callable[[Callable[[bytes], bool]], None]:
        body = msgspec.json.encode(request)
        server = self._server
        return lambda take: server.handle_completions(body, take)

    def _without_bos(self, prompt: Prompt) -> str:
        """The text as the engine wants it, which puts the BOS token before it itself."""
        if prompt.media:
            raise InvalidRequest("This model takes no images or recordings.", param="messages")
        text = encodable(prompt.text)
        if not text:
            raise InvalidRequest("The prompt is empty.", hint="Write something.", param="prompt")
        if self.info.adds_bos and self.info.bos:
            return text.removeprefix(self.info.bos)
        return text

    def _bans(self, text: str) -> list[int]:
        ways = (self.tokenize(spelling, special=False) for spelling in spellings(text))
        return [tokens[0] for tokens in ways if len(tokens) == 1]

    def _check_schema(self, request: dict[str, Any]) -> None:
        """See that the engine can hold the reply to the schema; otherwise it would not say so.

        It is made to want a letter that no JSON begins with: if that comes, nothing holds it.

        Raises:
            InvalidRequest: it cannot.
        """
        schema = request["json_schema"]
        key = msgspec.json.encode(schema)
        with self._schemas_lock:
            known = self._schemas.get(key)
        if known is None:
            probe = request | {"n_predict": 1, "logit_bias": [["z", 1e6]], "samplers": ["top_k"]}
            probe |= {"top_k": 1, "n_probs": 0, "mirostat": 0, "cache_prompt": True}
            text = "".join(token.text for token in Reply(self._run(probe), SamplingParams()))
            known = not text.startswith("z")
            with self._schemas_lock:
                while len(self._schemas) >= KNOWN_SCHEMAS:
                    del self._schemas[next(iter(self._schemas))]
                self._schemas[key] = known
        if not known:
            given = {name: value for name, value in schema.items() if name not in COMPACT}
            raise InvalidRequest(
                f"The JSON schema {msgspec.json.encode(given).decode()[:200]!r} cannot be used.",
                hint="The model's log says which part of it is wrong or not supported.",
                param="json_schema",
            )

    def _info(self, files: ModelFiles, options: GgufOptions) -> ModelInfo:
        properties = self._loopback.ask("/props")
        meta = self._loopback.ask("/v1/models")["data"][0]["meta"]
        bare = self._loopback.ask("/tokenize", {"content": "a", "add_special": False})["tokens"]
        whole = self._loopback.ask("/tokenize", {"content": "a", "add_special": True})["tokens"]
        return ModelInfo(
            architecture=Facts(files.metadata).architecture,
            context_length=properties["default_generation_settings"]["n_ctx"],
            trained_context=Facts(files.metadata).trained or meta["n_ctx_train"],
            vocabulary=meta["n_vocab"],
            chat_template=str(files.metadata.get("tokenizer.chat_template", "")),
            bos=properties["bos_token"],
            eos=properties["eos_token"],
            adds_bos=whole[:1] != bare[:1],
            sampling_fields=FIELDS,
            parallel=options.parallel,
        )


def _parameters(files: ModelFiles, options: GgufOptions, loopback: Loopback) -> Any:
    """The engine's parameters; it divides ``n_ctx`` by the number of slots."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(files.path)
    parameters.model_alias = {"model"}
    parameters.n_parallel = options.slots
    parameters.n_ctx = options.context(Facts(files.metadata).trained) * options.slots
    parameters.n_batch = options.n_batch
    parameters.n_ubatch = min(options.n_ubatch, options.n_batch)
    parameters.cpuparams.n_threads = threads(options.n_threads)
    parameters.cpuparams_batch.n_threads = threads(options.n_threads_batch or options.n_threads)
    parameters.n_gpu_layers = options.n_gpu_layers
    parameters.fit_params = options.n_gpu_layers < 0
    parameters.main_gpu = options.main_gpu
    if options.tensor_split:
        shares = parameters.tensor_split
        parameters.tensor_split = [*options.tensor_split, *shares[len(options.tensor_split) :]]
    parameters.no_kv_offload = not options.offload_kv
    parameters.swa_full = options.swa_full
    parameters.rope_freq_base = options.rope_freq_base
    parameters.rope_freq_scale = options.rope_freq_scale
    parameters.yarn_orig_ctx = options.yarn_orig_ctx
    parameters.lora_adapters = [
        xllamacpp.CommonAdapterLoraInfo(*adapter(line)) for line in options.lora
    ]
    parameters.cache_ram_mib = options.prompt_cache_mb
    parameters.cache_idle_slots = options.prompt_cache_mb > 0
    _enumerations(parameters, options)
    _pooled(parameters, files, options)
    _private(parameters, loopback)
    return parameters


def _enumerations(parameters: Any, options: GgufOptions) -> None:
    """The options that are one of a few words."""
    import xllamacpp

    flash = {"auto": "AUTO", "on": "ENABLED", "off": "DISABLED"}[options.flash_attention]
    loading = {
        (True, False): "MMAP",
        (False, False): "NONE",
        (False, True): "MLOCK",
        (True, True): "MMAP_MLOCK",
    }[options.use_mmap, options.use_mlock]
    rope = "unspecified" if options.rope_scaling == "model" else options.rope_scaling
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type[f"LLAMA_FLASH_ATTN_TYPE_{flash}"]
    parameters.load_mode = xllamacpp.llama_load_mode[f"LLAMA_LOAD_MODE_{loading}"]
    parameters.rope_scaling_type = xllamacpp.llama_rope_scaling_type[
        f"LLAMA_ROPE_SCALING_TYPE_{rope.upper()}"
    ]
    parameters.split_mode = xllamacpp.llama_split_mode[
        f"LLAMA_SPLIT_MODE_{options.split_mode.upper()}"
    ]
    parameters.cache_type_k = xllamacpp.ggml_type[f"GGML_TYPE_{options.cache_type_k.upper()}"]
    parameters.cache_type_v = xllamacpp.ggml_type[f"GGML_TYPE_{options.cache_type_v.upper()}"]


def _pooled(parameters: Any, files: ModelFiles, options: GgufOptions) -> None:
    """Vectors in place of text, for a model that pools; a text is computed in one batch."""
    import xllamacpp

    if not (found := pooling(files, options)):
        return
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type[f"LLAMA_POOLING_TYPE_{found.upper()}"]
    parameters.n_batch = parameters.n_ubatch = options.context(Facts(files.metadata).trained)


def _private(parameters: Any, loopback: Loopback) -> None:
    """Close the engine's own server to everybody else, and keep prompts out of its log."""
    parameters.hostnames = [loopback.host]
    parameters.port = 0
    parameters.api_keys = [loopback.key]
    parameters.n_threads_http = 2
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.sse_ping_interval = -1
    parameters.use_jinja = False
    parameters.verbosity = ERRORS
