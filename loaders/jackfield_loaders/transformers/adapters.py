"""LoRA adapters on a loaded model, through PEFT (Hu et al. 2021, arXiv:2106.09685)."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from jackfield import Adapter, ModelFileError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

State: TypeAlias = tuple[Path, int]
"""An adapter's folder, and when its weights were written: trained on, it is another."""


class Adapters:
    """The adapters of one model. Called while no request runs.

    Args:
        model: a model of Transformers.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._loaded: dict[State, str] = {}
        self._active: dict[str, float] = {}
        self._numbers = itertools.count(1)

    def apply(self, adapters: Sequence[Adapter]) -> None:
        """Attach these and no others.

        Raises:
            ModelFileError: one is broken or does not fit; all is then as it was.
        """
        scales = {_state(adapter.path): adapter.scale for adapter in adapters}
        fresh: dict[State, str] = {}
        try:
            for state in scales:
                if state not in self._loaded:
                    fresh[state] = f"lora{next(self._numbers)}"
                    self._load(state[0], fresh[state])
        except ModelFileError:
            self._switch(self._active)
            self._delete(fresh.values())
            raise
        gone = [state for state in self._loaded if state not in scales]
        self._loaded |= fresh
        self._switch({self._loaded[state]: scale for state, scale in scales.items()})
        self._delete([self._loaded.pop(state) for state in gone])

    def _load(self, path: Path, name: str) -> None:
        import torch
        from peft import LoraConfig, PeftConfig, inject_adapter_in_model, set_peft_model_state_dict
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            config = PeftConfig.from_pretrained(str(path))
            if not isinstance(config, LoraConfig):
                raise ValueError(f"it is of the kind {config.peft_type}")
            config.inference_mode = True
            weights = {
                key.removeprefix("base_model.model."): value
                for key, value in load_file(path / WEIGHTS).items()
            }
            # In inference mode, as requests are computed, torchao's weights cannot be wrapped.
            with warnings.catch_warnings(), torch.inference_mode(mode=False):
                warnings.filterwarnings("ignore", "Already found a `peft_config`")  # of others
                inject_adapter_in_model(config, self._model, name)
                found: Any = set_peft_model_state_dict(self._model, weights, adapter_name=name)
        except (SafetensorError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise ModelFileError(
                f"The LoRA adapter {path.name!r} cannot be attached to this model: {error}",
                hint="It may be broken, or made for another model.",
            ) from error
        lacking = [key for key in found.missing_keys if f".{name}." in key]
        if odd := sorted([*found.unexpected_keys, *lacking]):
            raise ModelFileError(
                f"The LoRA adapter {path.name!r} was made for another model: {odd[0]!r} does not "
                "fit.",
                hint="Attach it to the model that it was trained on.",
            )

    def _delete(self, names: Iterable[str]) -> None:
        for name in names:
            for layer in self._layers():
                layer.delete_adapter(name)
            getattr(self._model, "peft_config", {}).pop(name, None)

    def _switch(self, scales: dict[str, float]) -> None:
        """Let these take effect, each as strongly as is said."""
        self._active = scales
        for layer in self._layers():
            layer.set_adapter([name for name in scales if name in layer.scaling])
            for name, scale in scales.items():
                layer.set_scale(name, scale)

    def _layers(self) -> list[Any]:
        from peft.tuners.lora import LoraLayer

        return [one for one in self._model.modules() if isinstance(one, LoraLayer)]


def _state(path: Path) -> State:
    """What an adapter is known by.

    Raises:
        ModelFileError: it is none.
    """
    if not (path / CONFIG).is_file() or not (path / WEIGHTS).is_file():
        raise ModelFileError(
            f"{str(path)!r} is no LoRA adapter: a folder with {CONFIG!r} and {WEIGHTS!r} is "
            "wanted.",
            hint="Save it with PEFT's save_pretrained, as safetensors.",
        )
    return path, (path / WEIGHTS).stat().st_mtime_ns
