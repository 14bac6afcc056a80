"""What a loader does in the host: recognize, settle, estimate; quickly and lightly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from jackfield.load_plan import revealed
from jackfield.loader import ModelFiles
from jackfield.machine import Machine
from jackfield.testing.conformance.suite import Suite
from jackfield.worker.frames import FrameWriter, Load
from jackfield.worker.reference import LoaderReference

QUICK = 2.0
"""Seconds that a method of the host's side may take, on a machine that is busy."""

HEAVY = (
    "accelerate",
    "auto_gptq",
    "bitsandbytes",
    "chromadb",
    "gptqmodel",
    "huggingface_hub",
    "llama_cpp",
    "onnxruntime",
    "optimum",
    "peft",
    "sentence_transformers",
    "streamlit",
    "tensorflow",
    "torch",
    "torchao",
    "transformers",
    "vllm",
    "xllamacpp",
)
"""Libraries that the host never imports."""

PROGRAM = f"""
import json, sys, time
from jackfield.machine import Machine
from jackfield.worker.frames import FrameReader, Order

(load,) = FrameReader(Order).feed(sys.stdin.buffer.read())
loader = load.loader.resolve()
machine = Machine.now()
options = loader.Options.model_validate(load.options)
took = {{}}
def timed(name, *given):
    begun = time.perf_counter()
    value = getattr(loader, name)(*given)
    took[name] = time.perf_counter() - begun
    return value
timed("listed")
timed("probe", load.files)
timed("estimate", load.files, timed("settle", load.files, options, machine).options)
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps({{"heavy": heavy, "took": took}}))
"""


class HostSide(Suite):
    """``probe``, ``settle``, ``estimate`` and the options."""

    def test_it_recognizes_its_model(self) -> None:
        """``probe`` says how well it can open the model, and why."""
        match = self.loader.probe(self.the_files())
        assert match is not None, "probe() does not recognize the model"
        assert 0 < match.score <= 100, f"the score {match.score} is not within 1 to 100"
        assert match.reason, "the match gives no reason"

    def test_it_leaves_what_is_not_its_own(self) -> None:
        """``probe`` returns None for a file of a format it cannot know."""
        foreign = ModelFiles(path=Path("foreign.no-such-format"), format="no-such-format", size=1)
        assert self.loader.probe(foreign) is None, "probe() claims a format that does not exist"

    def test_every_option_has_a_default_and_help(self) -> None:
        """The load form can be drawn, and the model loads without filling it in."""
        for name, field in self.loader.Options.model_fields.items():
            assert not field.is_required(), f"option {name!r} has no default"
            assert field.description, f"option {name!r} has no description"

    def test_settled_options_stay_as_they_are(self) -> None:
        """``settle`` gives options of the same class, with reasons, once and for all."""
        files, machine = self.the_files(), Machine.now()
        first = self.loader.settle(files, self.loader.Options(), machine)
        assert isinstance(first.options, self.loader.Options), "settle() gives other options"
        assert all(reason.strip() for reason in first.reasons), "a reason is empty"
        again = self.loader.settle(files, first.options, machine)
        assert again.options == first.options, (
            f"settling settled options changes them: {first.options!r} became {again.options!r}"
        )

    def test_the_estimate_is_of_a_plausible_size(self) -> None:
        """``estimate`` gives bytes; of a model on disk at least a tenth of its weights."""
        estimate = self.loader.estimate(self.the_files(), self.the_options())
        assert all(need >= 0 for need in estimate.by_device().values()), "a need is negative"
        size = self.the_files().size
        assert estimate.total >= size // 10, f"{estimate.total} bytes for {size} bytes on disk"

    def test_the_host_imports_no_back_end(self) -> None:
        """Importing the loader, and what the host asks of it, import nothing heavy."""
        heavy = self._in_a_fresh_interpreter()["heavy"]
        assert not heavy, f"the host's side of the loader imports {', '.join(heavy)}"

    def test_the_host_does_not_wait(self) -> None:
        """``listed``, ``probe``, ``settle`` and ``estimate`` answer at once."""
        slow = {
            name: round(seconds, 2)
            for name, seconds in self._in_a_fresh_interpreter()["took"].items()
            if seconds > QUICK
        }
        assert not slow, f"seconds that the host waits: {slow}"

    def _in_a_fresh_interpreter(self) -> dict[str, Any]:
        load = Load(LoaderReference.of(self.loader), self.the_files(), revealed(self.the_options()))
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROGRAM],
            input=FrameWriter().frame(load),
            capture_output=True,
            timeout=self.patience,
            check=False,
        )
        said = done.stderr.decode(errors="replace").strip()
        assert done.returncode == 0, f"the host's side fails alone: {said[-500:]}"
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
