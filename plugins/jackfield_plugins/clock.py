"""Tells the model what day and time it is."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from pydantic import field_validator

from jackfield import Field, Passage, Plugin, hookimpl


class Clock(Plugin):
    """Tells the model today's date, weekday and time, which it cannot know."""

    enabled_by_default = False

    class Config(Plugin.Config):
        """Options of the clock."""

        time_zone: str = Field(
            "", description="Time zone such as Europe/Berlin; empty: this computer's"
        )
        with_time: bool = Field(True, description="Say the time of day as well as the date")

        @field_validator("time_zone")
        @classmethod
        def _known(cls, value: str) -> str:
            if value and value not in available_timezones():
                raise ValueError(
                    f"there is no time zone {value!r}; write for example Europe/Berlin"
                )
            return value

    @hookimpl
    def jackfield_add_context(self) -> list[Passage]:
        """One passage with the present moment."""
        zone = ZoneInfo(self.config.time_zone) if self.config.time_zone else None
        now = datetime.now(zone).astimezone(zone)
        text = f"Today is {now:%A}, {now.day} {now:%B %Y}."
        if self.config.with_time:
            text += f" The time is {now:%H:%M} ({now:%Z})."
        return [Passage(text, title="Clock", score=1.0)]
