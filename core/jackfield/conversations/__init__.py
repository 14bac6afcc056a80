"""Chats as trees of messages, in a database."""

from jackfield.conversations.model import Conversation, Node
from jackfield.conversations.store import Conversations

__all__ = ["Conversation", "Conversations", "Node"]
