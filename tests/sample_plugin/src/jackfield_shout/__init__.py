"""Shout, a plugin for Jackfield."""

from jackfield import Field, Plugin, hookimpl


class Shout(Plugin):
    """Answers in capitals."""

    class Config(Plugin.Config):
        """The form on the Plugins page is made from these fields."""

        marks: int = Field(1, ge=0, le=5, description="Exclamation marks to add")

    @hookimpl
    def jackfield_transform_reply(self, reply):
        """The whole reply, louder."""
        return reply.upper() + "!" * self.config.marks
