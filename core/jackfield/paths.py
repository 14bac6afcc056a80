"""Where Jackfield keeps things."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import platformdirs


class Paths(msgspec.Struct, frozen=True):
    """The data folder and what lies in it."""

    home: Path

    @classmethod
    def default(cls) -> Paths:
        """``$JACKFIELD_HOME``, or the platform's folder for a user's application data."""
        home = os.environ.get("JACKFIELD_HOME")
        return cls(
            Path(home).expanduser().resolve() if home else platformdirs.user_data_path("jackfield")
        )

    @property
    def settings(self) -> Path:
        """The settings file, TOML."""
        return self.home / "settings.toml"

    @property
    def secrets(self) -> Path:
        """Keys and passwords, TOML, readable by the owner alone."""
        return self.home / "secrets.toml"

    @property
    def models(self) -> Path:
        """Models that were downloaded or put here."""
        return self.home / "models"

    @property
    def adapters(self) -> Path:
        """LoRA adapters, a folder each."""
        return self.home / "adapters"

    @property
    def plugins(self) -> Path:
        """Loose plugins, one Python file each."""
        return self.home / "plugins"

    @property
    def plugin_data(self) -> Path:
        """A folder for each plugin's own data."""
        return self.home / "plugin-data"

    @property
    def environments(self) -> Path:
        """Virtual environments of loaders that need one of their own."""
        return self.home / "environments"

    @property
    def database(self) -> Path:
        """Conversations, SQLite."""
        return self.home / "jackfield.db"

    @property
    def logs(self) -> Path:
        """The server's log and one per model."""
        return self.home / "logs"

    @property
    def lock(self) -> Path:
        """Held by the one server of this folder; ``server.json`` beside it says who that is."""
        return self.home / "server.lock"

    @property
    def server(self) -> Path:
        """Process id, address and admin key of the running server, JSON, owner alone."""
        return self.home / "server.json"

    def make(self) -> None:
        """Create the folders. Raises OSError where that is not possible.

        What is kept here is private, chats above all: a new data folder is its owner's alone.
        """
        self.home.parent.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(mode=0o700, exist_ok=True)
        for folder in (self.models, self.adapters, self.plugins, self.plugin_data, self.logs):
            folder.mkdir(exist_ok=True)
