"""Opens GPTQ models with AutoGPTQ. Runs in the worker, in an environment with Transformers 4."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from jackfield import LoadedModel, ModelFiles
from jackfield_loaders.autogptq.options import AutoGptqOptions
from jackfield_loaders.torch_loading import loading, refuse_missing

SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")


def opened(files: ModelFiles, options: AutoGptqOptions) -> LoadedModel:
    """The model on its device, ready to answer one request at a time.

    Raises:
        ModelFileError: its files are broken.
        LoadFailed: AutoGPTQ cannot load it, or the device is not there.
    """
    refuse_missing([options.device])
    torch.set_num_threads(options.threads or torch.get_num_threads())
    from auto_gptq import AutoGPTQForCausalLM

    from jackfield_loaders.transformers.model import CausalModel

    on_cpu = options.device == "cpu"
    with (
        loading(files.path.name, "AutoGPTQ", "Try the loader gptq, which opens the same folders."),
        tempfile.TemporaryDirectory(prefix="jackfield-autogptq-") as folder,
    ):
        wrapped = AutoGPTQForCausalLM.from_quantized(
            str(as_before(files.path, Path(folder))),
            device=options.device,
            torch_dtype=torch.float32 if on_cpu else torch.float16,
            use_safetensors=True,
            inject_fused_attention=False,
            inject_fused_mlp=False,
            disable_exllama=on_cpu,
            disable_exllamav2=on_cpu,
        )
        _tie(wrapped.model, files.path)
        tokenizer = _tokenizer(files.path)
    return CausalModel(wrapped.model.eval(), tokenizer, n_ctx=options.n_ctx, parallel=1)


def as_before(model: Path, folder: Path) -> Path:
    """The same model with a configuration that Transformers 4 understands.

    Transformers 5 moved the base of the rotary embedding and renamed the number format.
    """
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    rope = dict(config.pop("rope_parameters", None) or {})
    if "rope_theta" in rope:
        config.setdefault("rope_theta", rope.pop("rope_theta"))
    if rope.get("rope_type", "default") != "default":
        config.setdefault("rope_scaling", rope)
    config.setdefault("torch_dtype", config.pop("dtype", None) or "float16")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for file in model.iterdir():
        if file.name != "config.json" and file.is_file():
            (folder / file.name).symlink_to(file.resolve())
    return folder


def _tie(model: Any, folder: Path) -> None:
    """Put the embeddings, which are the output's weights too, into a model that ties them.

    Such a checkpoint has them once; the loading of the two leaves zeros.
    """
    if not model.config.tie_word_embeddings:
        return
    from safetensors import safe_open

    table = model.get_input_embeddings()
    (name,) = [name for name, one in model.named_modules() if one is table]
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as tensors:
            if f"{name}.weight" in set(tensors.keys()):
                found = tensors.get_tensor(f"{name}.weight").to(table.weight)
                table.weight = torch.nn.Parameter(found, requires_grad=False)
    model.get_output_embeddings().weight = table.weight


def _tokenizer(model: Path) -> Any:
    """The tokenizer, from its data alone: Transformers 5 names classes that 4 does not know."""
    import transformers

    if not (model / "tokenizer.json").is_file():
        return transformers.AutoTokenizer.from_pretrained(model, local_files_only=True)
    said = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
    special = {name: _text(said[name]) for name in SPECIAL if said.get(name)}
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(model / "tokenizer.json"), **special
    )
    template = model / "chat_template.jinja"
    made.chat_template = (
        template.read_text(encoding="utf-8") if template.is_file() else said.get("chat_template")
    )
    return made


def _text(token: str | dict[str, Any]) -> str:
    return str(token["content"]) if isinstance(token, dict) else token
