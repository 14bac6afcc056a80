"""A plugin whose options do not validate as they are."""

from jackfield import Field, Plugin, hookimpl


class Bad(Plugin):
    """Needs an option that has no default."""

    class Config(Plugin.Config):
        """One option has to be given, the other is bounded."""

        ending: str = Field(description="What to end with")
        times: int = Field(1, ge=1, le=3, description="How often")

    @hookimpl
    def jackfield_transform_reply(self, reply):
        """Works once the option is there."""
        return reply + self.config.ending * self.config.times
