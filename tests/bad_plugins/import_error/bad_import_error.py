"""A plugin whose import fails."""

import a_module_that_nobody_has  # noqa: F401

from jackfield import Plugin


class Bad(Plugin):
    """Never seen."""
