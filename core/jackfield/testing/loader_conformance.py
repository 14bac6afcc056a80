"""What every loader must keep to, as a suite that authors run on theirs."""

from __future__ import annotations

from jackfield.testing.conformance.host_side import HostSide
from jackfield.testing.conformance.life import Life
from jackfield.testing.conformance.probabilities import Probabilities
from jackfield.testing.conformance.processing import Processors
from jackfield.testing.conformance.replies import Replies
from jackfield.testing.conformance.tokens import Tokens
from jackfield.testing.conformance.traffic import Traffic
from jackfield.testing.conformance.vectors import Vectors

__all__ = ["LoaderConformance"]


class LoaderConformance(
    Life, Vectors, Traffic, Processors, Probabilities, Tokens, Replies, HostSide
):
    """Subclass it in a test module, name the loader and a model; pytest finds the rest.

    ::

        class TestParrotLoader(LoaderConformance):
            loader = ParrotLoader()
            options = ParrotLoader.Options(n_ctx=512)
            files = ModelFiles(path=Path("polly.parrot"), format="parrot", size=1234)

    The model is loaded once. What it does not claim in its ``ModelInfo`` is not asked of it: such
    a test ends with ``NotClaimed``. Use a small model and a short context: some tests fill it.

    Attributes:
        loader: the loader.
        options: its options; the default is ``loader.Options()``. They are settled first.
        files: the model. Instead, ``model_files`` or the loader's ``sample`` may make one.
        python: "" to load the model in this process; a path to load it in a worker with that
            interpreter, for a loader whose back-end has an environment of its own.
        adapter: a LoRA adapter for the model, if it claims ``lora``.
        patience: seconds after which something that should happen is held not to.
        prompt: a text that the model goes on from with at least 24 tokens.
        filler: a text that is repeated to fill the context.
    """
