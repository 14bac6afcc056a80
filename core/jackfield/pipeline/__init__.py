"""From a turn to a stream of events, through the plugins' hooks."""

from jackfield.pipeline.pipeline import Pipeline
from jackfield.pipeline.turn import Turn

__all__ = ["Pipeline", "Turn"]
