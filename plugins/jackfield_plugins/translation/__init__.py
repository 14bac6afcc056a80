"""Offline translation: engines, and the plugin that translates chats. Imports nothing itself."""
