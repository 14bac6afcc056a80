"""What a loaded model's loader makes of the sampling parameters it is given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import ValidationError

from jackfield.errors import SettingsError, UnsupportedSampling
from jackfield.loader import ModelInfo
from jackfield.messages import NoticeEvent
from jackfield.sampling import SamplingParams

if TYPE_CHECKING:
    from jackfield.pipeline.turn import Turn


class SamplingCheck:
    """Lays a turn's parameters over a model's saved ones, and keeps to what the loader has.

    A parameter that a request sets and the loader lacks fails the turn, unless its value is
    neutral. One that comes from the dashboard (a preset, perhaps, made for every model), from the
    model's settings or from a plugin is left out, and that is noted.

    Attributes:
        notes: in words, what was left out.
        notices: what the user is told.
    """

    def __init__(self, turn: Turn, info: ModelInfo, loader: str) -> None:
        self._turn = turn
        self._supported = info.sampling_fields
        self._loader = loader
        self.notes: list[str] = []
        self.notices: list[NoticeEvent] = []

    def laid_over(self, saved: dict[str, object]) -> SamplingParams:
        """The model's saved parameters with the turn's on top.

        Raises:
            SettingsError: the saved ones are not valid.
            UnsupportedSampling: the loader lacks one that the request set.
        """
        asked = self._turn.sampling
        lacking = self._lacking(asked)
        if lacking and self._turn.origin != "dashboard":
            raise self._unsupported(lacking[0])
        if lacking:
            self.notices.append(
                NoticeEvent(
                    f"The loader {self._loader!r} does not have {', '.join(lacking)}: left out.",
                    level="warning",
                )
            )
        return self.kept(self._saved(saved).merged(asked), "")

    def kept(self, params: SamplingParams, source: str) -> SamplingParams:
        """The parameters without those that the loader lacks; their bounds are checked again.

        Args:
            source: who set them, for the note.
        """
        lacking = self._lacking(params)
        by = f" (set by {source})" if source else ""
        self.notes += [f"parameter {name}{by}: the loader does not have it" for name in lacking]
        if not lacking and not source:
            return params
        return SamplingParams(**params.model_dump(include=params.model_fields_set - set(lacking)))

    def stopping_at(self, params: SamplingParams, texts: Iterable[str]) -> SamplingParams:
        """The parameters with further texts that end the reply."""
        new = [text for text in texts if text not in params.stop]
        if not new:
            return params
        if "stop" not in self._supported:
            self.notes.append("the template's stop texts: the loader does not have stop")
            return params
        return params.model_copy(update={"stop": [*params.stop, *new]})

    def _lacking(self, params: SamplingParams) -> list[str]:
        return sorted(set(params.changed()) - self._supported)

    def _saved(self, saved: dict[str, object]) -> SamplingParams:
        try:
            return SamplingParams.model_validate(saved)
        except ValidationError as error:
            first = error.errors()[0]
            raise SettingsError(
                f"The saved sampling parameters of {self._turn.model!r} are not valid: "
                f"{'.'.join(map(str, first['loc']))}: {first['msg']}.",
                hint="Correct them on the Models page.",
            ) from error

    def _unsupported(self, name: str) -> UnsupportedSampling:
        return UnsupportedSampling(
            f"The parameter {name!r} is not supported by the loader {self._loader!r} of the model "
            f"{self._turn.model!r}.",
            hint="Leave it out, or load the model with another loader.",
            param=name,
            loader=self._loader,
        )
