"""The Chat page."""

from jackfield.dashboard.chat.page import draw

__all__ = ["draw"]
