"""Model folders in the Hugging Face format, read without the libraries that run them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from jackfield.errors import ModelFileError

CONFIG = "config.json"
ADAPTER = "adapter_config.json"
MODULES = "modules.json"
INDEX = "model.safetensors.index.json"
PICKLES = ("pytorch_model*.bin", "pytorch_model*.pt", "model*.bin", "*.pth")
JSON_FILES = (
    "adapter_config",
    "generation_config",
    "modules",
    "sentence_bert_config",
    "tokenizer_config",
)
"""What else a model's metadata takes in, each under its name."""
FOREIGN = ("decoder_start_token", "lang_ids", "suppress_ids")
"""Settings in the configuration of a translator, and of a recognizer of speech (CTranslate2)."""
LONGEST_HEADER = 100_000_000
"""Bytes; the safetensors format allows no more."""
LONGEST_JSON = 64_000_000
SNAPSHOT = re.compile(r"models--(?P<name>.+)/snapshots/[0-9a-f]+$")
"""Where a model lies in the cache of the Hugging Face Hub."""


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """What a model folder says about itself; see ``CatalogModel`` for the fields."""

    format: str
    size: int
    metadata: dict[str, Any]
    architecture: str = ""
    parameters: int = 0
    quantization: str = ""
    context_length: int = 0
    chat_template: str = ""
    license: str = ""
    writes: bool = True


def format_of(folder: Path, names: list[str] | set[str]) -> str:
    """The format of a model folder with these files in it, "" for any other folder."""
    here = set(names)
    if ADAPTER in here:
        return "adapter"
    if CONFIG not in here:
        return ""
    if INDEX in here or any(name.endswith(".safetensors") for name in here):
        return "safetensors"
    if any(Path(name).match(pattern) for name in here for pattern in PICKLES):
        return "pickle"
    if MODULES in here and any(folder.glob("*/*.safetensors")):
        return "safetensors"
    return ""


def files_of(folder: Path) -> list[Path]:
    """All files that describe or hold a model, for telling whether it changed."""
    patterns = ("*.json", "*.safetensors", "*.jinja", "*.bin", "*.pt", "*.pth", "README.md")
    return sorted(path for pattern in patterns for path in folder.glob(pattern))


def read_folder(folder: Path) -> Folder:
    """Read a model folder.

    Raises:
        ModelFileError: a file of it is missing or broken.
    """
    form = format_of(folder, {path.name for path in folder.iterdir()})
    config = _json(folder / CONFIG)
    metadata: dict[str, Any] = {"config": config}
    for name in JSON_FILES:
        if (folder / f"{name}.json").is_file():
            metadata[name] = _json(folder / f"{name}.json")
    template = _template(folder, metadata.get("tokenizer_config") or {})
    weights = _weights(folder, form)
    tensors = _tensors(weights) if form != "pickle" else {}
    quantized = config.get("quantization_config") or {}
    metadata["tensors"] = _by_format(tensors)
    return Folder(
        format=form,
        size=sum(path.stat().st_size for path in weights),
        metadata=metadata,
        architecture=str(config.get("model_type", "")),
        parameters=_parameters(tensors, int(quantized.get("bits") or 4)),
        quantization=_quantization(metadata["tensors"], quantized),
        context_length=_context(config),
        chat_template=template,
        license=_license(folder, config),
        writes="modules" not in metadata and _writes(config),
    )


def name_of(folder: Path) -> str:
    """What a model folder is called: its name, or the repository's in the Hub's cache."""
    return repository_of(folder).rpartition("/")[2] or folder.name


def repository_of(folder: Path) -> str:
    """The repository, ``owner/name``, of a model in the Hub's cache; "" for any other."""
    snapshot = SNAPSHOT.search(folder.as_posix())
    return snapshot["name"].replace("--", "/", 1) if snapshot else ""


def _weights(folder: Path, form: str) -> list[Path]:
    """The weight files.

    Raises:
        ModelFileError: one that the index names is missing.
    """
    if form == "pickle":
        return sorted({path for pattern in PICKLES for path in folder.glob(pattern)})
    if (folder / INDEX).is_file():
        names = sorted(set(_json(folder / INDEX).get("weight_map", {}).values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ModelFileError(
                f"{len(missing)} of its {len(names)} weight files are missing, the first is "
                f"{missing[0]!r}.",
                hint=f"Fetch the model again, or put them into {str(folder)!r}.",
            )
        return [folder / name for name in names]
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*/*.safetensors"))


def _tensors(weights: list[Path]) -> dict[str, tuple[str, int]]:
    """Format and number of elements of each tensor."""
    found: dict[str, tuple[str, int]] = {}
    for path in weights:
        for name, tensor in safetensors_header(path).items():
            if name != "__metadata__":
                count = 1
                for size in tensor["shape"]:
                    count *= size
                found[name] = (str(tensor["dtype"]), count)
    return found


def safetensors_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: tensors by name.

    The format: 8 bytes with the header's length, the header in JSON, the numbers
    (github.com/huggingface/safetensors, "Format").

    Raises:
        ModelFileError: it is not such a file, or not all of it is there.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(LONGEST_HEADER, size - 8):
            raise ModelFileError(f"{path.name!r} is not a safetensors file, or is cut short.")
        try:
            header: dict[str, Any] = msgspec.json.decode(file.read(length), type=dict[str, Any])
            ends = [int(one["data_offsets"][1]) for name, one in header.items() if name[:2] != "__"]
            for one in (header[name] for name in header if name[:2] != "__"):
                one["shape"] = [int(number) for number in one["shape"]]
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise ModelFileError(f"The header of {path.name!r} is broken: {error}.") from error
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise ModelFileError(
            f"{path.name!r} has {size:,} bytes and should have {expected:,}.",
            hint="Fetch it again.",
        )
    return header


def _by_format(tensors: dict[str, tuple[str, int]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for form, count in tensors.values():
        counts[form] = counts.get(form, 0) + count
    return counts


def _parameters(tensors: dict[str, tuple[str, int]], bits: int) -> int:
    """Number of weights; those of a GPTQ or AWQ layer are packed into 32-bit integers."""
    total = 0
    for name, (_, count) in tensors.items():
        if name.endswith(".qweight"):
            total += count * 32 // bits
        elif not name.endswith((".qzeros", ".scales", ".g_idx")):
            total += count
    return total


def _quantization(counts: dict[str, int], quantized: dict[str, Any]) -> str:
    method = str(quantized.get("quant_method", ""))
    if method:
        bits = quantized.get("bits") or (4 if quantized.get("load_in_4bit") else 8)
        return f"{method.upper()} {bits}-bit"
    return max(counts, key=lambda form: counts[form]) if counts else ""


def _context(config: dict[str, Any]) -> int:
    inner = {**config, **(config.get("text_config") or {})}
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"):
        if isinstance(inner.get(name), int):
            return max(0, int(inner[name]))
    return 0


def _writes(config: dict[str, Any]) -> bool:
    """Whether a model is made for writing text; of one that does not say, it is believed.

    Translators and recognizers of speech in CTranslate2's format name no architecture, but have
    settings of their own.
    """
    if "model_type" not in config and any(key in config for key in FOREIGN):
        return False
    named = [str(one) for one in config.get("architectures") or ()]
    endings = ("LM", "LMHeadModel", "ForConditionalGeneration", "MTModel")
    return not named or any(one.endswith(endings) for one in named)


def _template(folder: Path, tokenizer: dict[str, Any]) -> str:
    """The chat template, which is taken out of the tokenizer's configuration."""
    inside = tokenizer.pop("chat_template", None)
    file = folder / "chat_template.jinja"
    if file.is_file():
        return _text(file)
    if isinstance(inside, list):
        named = {one.get("name"): one.get("template") for one in inside if isinstance(one, dict)}
        inside = named.get("default") or next(iter(named.values()), "")
    return inside if isinstance(inside, str) else ""


def _license(folder: Path, config: dict[str, Any]) -> str:
    """As the front matter of its model card says."""
    card = folder / "README.md"
    if card.is_file():
        text = _text(card)
        if text.startswith("---"):
            found = re.search(r"^license:\s*['\"]?([\w.+-]+)", text.split("\n---", 1)[0], re.M)
            if found:
                return found[1]
    return str(config.get("license") or "")


def _json(path: Path) -> Any:
    if not path.is_file():
        return {}
    try:
        # "No limit" is written as an integer far beyond what a frame to a worker can hold.
        return json.loads(_text(path), parse_int=lambda word: int(word) if len(word) < 19 else 0)
    except ValueError as error:
        raise ModelFileError(f"{path.name!r} is not valid JSON: {error}.") from error


def _text(path: Path) -> str:
    if path.stat().st_size > LONGEST_JSON:
        raise ModelFileError(f"{path.name!r} is too long: {path.stat().st_size:,} bytes.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{path.name!r} is not a text: {error}.") from error
