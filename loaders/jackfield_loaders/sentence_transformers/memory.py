"""How much memory an embedding model or a cross-encoder takes, and where it fits."""

from __future__ import annotations

from jackfield import Machine, MemoryEstimate, ModelFiles
from jackfield_loaders.sentence_transformers.identify import config
from jackfield_loaders.sentence_transformers.options import SentenceTransformersOptions

RUNTIME = 560_000_000
"""Bytes of a worker's interpreter with torch, transformers and sentence-transformers."""

DRIVER = 450_000_000
"""Bytes that a CUDA context takes on the device."""

USUAL_LENGTH = 512
"""Tokens of a text that is held to be long, for models that read far longer ones."""

WIDTH = 14
"""Numbers kept for a token while a layer is computed, over the size of its vector: the input, the
projections, and the feed-forward layer's four times larger ones."""

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "auto": 4}
NAMES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def stored(files: ModelFiles) -> str:
    """The data type of most of the weights; float32 for one that no option names."""
    tensors = files.metadata.get("tensors")
    counts = {
        NAMES[name]: int(number)
        for name, number in (tensors if isinstance(tensors, dict) else {}).items()
        if name in NAMES
    }
    return max(counts, key=counts.__getitem__) if counts else "float32"


def estimate(files: ModelFiles, options: SentenceTransformersOptions) -> MemoryEstimate:
    """Weights, a batch of the longest texts, and the libraries."""
    weights = _parameters(files) * BYTES[options.dtype]
    batch = _batch(files, options)
    if options.device in ("cpu", "auto", "mps"):
        return MemoryEstimate(weights, 0, RUNTIME + batch)
    device = options.device if ":" in options.device else f"{options.device}:0"
    there = MemoryEstimate(weights, 0, DRIVER + batch, device=device)
    return MemoryEstimate(0, 0, RUNTIME, elsewhere=(there,))


def device(
    files: ModelFiles, options: SentenceTransformersOptions, machine: Machine
) -> tuple[str, str]:
    """Where the model is put, and why."""
    if not machine.accelerators:
        return "cpu", "On the processor: there is no accelerator."
    best = machine.accelerators[0]
    dtype = stored(files) if options.dtype == "auto" else options.dtype
    placed = options.model_copy(update={"device": best.name, "dtype": dtype})
    need = estimate(files, placed).on(best.name)
    if need <= best.free:
        return best.name, f"On {best.title} ({best.name}): it fits into its free memory."
    return "cpu", (
        f"On the processor: it needs {need / 1e9:.1f} GB and {best.name} has "
        f"{best.free / 1e9:.1f} GB free."
    )


def _parameters(files: ModelFiles) -> int:
    tensors = files.metadata.get("tensors")
    if isinstance(tensors, dict) and tensors:
        return sum(int(number) for number in tensors.values())
    return files.size // BYTES[stored(files)]


def _batch(files: ModelFiles, options: SentenceTransformersOptions) -> int:
    """Bytes of a batch of long texts while a layer is computed."""
    about = config(files)
    cut = (files.metadata.get("sentence_bert_config") or {}).get("max_seq_length")
    read = cut or about.get("max_position_embeddings") or USUAL_LENGTH
    length = options.max_seq_length or int(read)
    tokens = options.batch_size * min(length, USUAL_LENGTH)
    return tokens * int(about.get("hidden_size") or 768) * WIDTH * BYTES[options.dtype]
