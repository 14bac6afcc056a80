"""A loader whose model raises what ends a process. Workers import it by the path of this file."""

from typing import NoReturn

from jackfield import LoadedModel, LoadOptions, ModelFiles
from jackfield.testing import FakeLoader


class LeavingLoader(FakeLoader):
    """Its model does so whatever it is asked, except for the text of tokens."""

    def load(self, files: ModelFiles, options: LoadOptions) -> LoadedModel:
        model = super().load(files, options)
        for name in ("complete", "tokenize"):
            setattr(model, name, leave)
        return model


def leave(*given: object, **named: object) -> NoReturn:
    raise SystemExit(3)
