"""A plugin with a misspelled hook."""

from jackfield import Plugin, hookimpl


class Bad(Plugin):
    """Implements a hook that does not exist."""

    @hookimpl
    def jackfield_transform_replay(self, reply):
        """Was to be ``jackfield_transform_reply``."""
        return reply
