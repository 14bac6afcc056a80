"""A plugin with a wrong hook argument."""

from jackfield import Plugin, hookimpl


class Bad(Plugin):
    """Asks for an argument that the hook does not have."""

    @hookimpl
    def jackfield_transform_reply(self, text, turn):
        """The hook calls its argument ``reply``."""
        return text
