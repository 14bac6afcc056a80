"""What of a repository's files makes a model: each quantization, or the whole folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import msgspec

from jackfield import RemoteFile

PART = re.compile(r"(?P<stem>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})$")
QUANTIZATION = re.compile(
    r"I?Q[1-8](?:_[A-Z0-9]+)*|BF16|FP?16|FP?32|F64|MXFP4(?:_MOE)?|TQ[12]_0",
    re.IGNORECASE,
)
PREFERRED = ("Q4_K_M", "Q4_K_S", "Q4_K_L", "Q4_0", "Q4_1", "IQ4_XS", "Q5_K_M", "Q6_K", "Q8_0")
NO_MODEL = ("mmproj", "imatrix")
"""What other .gguf files are: projectors for pictures, statistics for quantizing."""
TEXTS = (".json", ".txt", ".jinja", ".model", ".spm", ".tiktoken", ".md", ".py")
SUBFOLDER = re.compile(r"\d+_\w+")
"""A folder of a sentence-transformers model, such as ``1_Pooling``."""
PICKLES = re.compile(r"(pytorch_model|adapter_model|model).*\.(bin|pt|pth)$")


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """Files that can be fetched in place of others.

    Attributes:
        label: what it is chosen by: a quantization, a file's name, "" for the whole folder.
    """

    label: str = ""
    quantization: str = ""
    files: tuple[RemoteFile, ...] = ()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)


def variants(files: Sequence[RemoteFile], *, allow_pickle: bool) -> list[Variant]:
    """Quantizations by size, then the whole folder if its weights are safetensors, or allowed."""
    found = _quantizations(files)
    folder = _folder(files, r".+\.safetensors$", PICKLES.pattern if allow_pickle else "$^")
    return [*sorted(found, key=lambda one: one.size), *([folder] if folder else [])]


def has_pickle(files: Iterable[RemoteFile]) -> bool:
    """Whether there are weights in a format that can run programs."""
    return any(PICKLES.match(file.path) for file in files)


def chosen(found: Sequence[Variant], choice: str) -> Variant | None:
    """The variant that is meant, or the one to take when nothing is said; None if it is not there.

    A choice is a label, a quantization or one of the files, in any case.
    """
    if choice:
        wanted = choice.lower()
        for one in found:
            names = {one.label.lower(), one.quantization.lower()}
            urls = [file.url.lower() for file in one.files]
            if wanted in names or any(url.endswith(f"/{wanted}") for url in urls):
                return one
        return None
    by_kind = {one.quantization: one for one in reversed(found) if one.quantization}
    best = next((by_kind[kind] for kind in PREFERRED if kind in by_kind), None)
    return best or next(iter(found), None)


def _quantizations(files: Sequence[RemoteFile]) -> list[Variant]:
    """Each .gguf model, the parts of a split one together."""
    groups: dict[str, list[RemoteFile]] = {}
    for file in files:
        path = PurePosixPath(file.path)
        if path.suffix.lower() != ".gguf" or any(one in path.name.lower() for one in NO_MODEL):
            continue
        split = PART.match(path.stem)
        groups.setdefault(str(path.with_name(split["stem"] if split else path.stem)), []).append(
            file
        )
    labels = {stem: _quantization(stem) for stem in groups}
    found = []
    for stem, group in groups.items():
        label = labels[stem]
        alone = list(labels.values()).count(label) == 1
        flat = tuple(
            msgspec.structs.replace(file, path=PurePosixPath(file.path).name)
            for file in sorted(group, key=lambda file: file.path)
        )
        name = PurePosixPath(stem).name
        found.append(
            Variant(label=label if label and alone else name, quantization=label, files=flat)
        )
    return found


def _quantization(stem: str) -> str:
    """The last word of a file's name, or of its folder's, that is a quantization; "" for none."""
    words = [word for word in re.split(r"[-./]", stem) if QUANTIZATION.fullmatch(word)]
    if not words:
        return ""
    word = words[-1].upper()
    return f"UD-{word}" if f"ud-{word}".lower() in stem.lower() else word


def _folder(files: Sequence[RemoteFile], *weights: str) -> Variant | None:
    """The model folder in the Hugging Face format, of the first kind of weights that is there."""
    names = {file.path for file in files}
    if not names & {"config.json", "adapter_config.json"}:
        return None
    modular = "modules.json" in names
    kept = [file for file in files if _belongs(file.path, modular)]
    texts = [file for file in kept if file.path.endswith(TEXTS) or _is_licence(file.path)]
    for pattern in weights:
        tensors = _once([file for file in kept if re.match(pattern, file.path)])
        if tensors:
            return Variant(files=(*texts, *tensors))
    return None


def _belongs(path: str, modular: bool) -> bool:
    """Files at the top, and those of a sentence-transformers model's parts; nothing hidden."""
    parts = path.split("/")
    if any(part.startswith(".") for part in parts):
        return False
    return len(parts) == 1 or (modular and len(parts) == 2 and bool(SUBFOLDER.match(parts[0])))


def _is_licence(path: str) -> bool:
    return path.upper().split(".")[0] in ("LICENSE", "LICENCE", "NOTICE", "COPYING")


def _once(tensors: list[RemoteFile]) -> list[RemoteFile]:
    """One copy of weights that are there several times: split, whole, or in another precision."""
    split = [file for file in tensors if re.match(r"(pytorch_)?model-\d+-of-\d+\.", file.path)]
    whole = [file for file in tensors if re.match(r"(pytorch_)?model\.\w+$", file.path)]
    below = [file for file in tensors if "/" in file.path]
    return [*(split or whole), *below] if split or whole else tensors
