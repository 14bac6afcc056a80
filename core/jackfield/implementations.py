"""What calls the hooks of running plugins, and counts what fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from jackfield.plugin_entries import in_order
from jackfield.plugin_record import Entry
from jackfield.quarantine import PREFIX
from jackfield.turn_plugins import Implementation

MOST_FAILURES = 5
"""So many failures in a row set a plugin aside."""


class Implementations:
    """Makes the implementations of hooks and hears of each call how it went.

    Args:
        lock: the manager's.
        failed_too_often: called, without the lock, with a running plugin and why.
    """

    def __init__(
        self, lock: threading.RLock, failed_too_often: Callable[[Entry, str], None]
    ) -> None:
        self._lock = lock
        self._failed_too_often = failed_too_often

    def live(
        self, entries: Iterable[Entry], order: Sequence[str]
    ) -> dict[str, tuple[Implementation, ...]]:
        """Implementations of each hook in order: tryfirst, the user's order, trylast."""
        found: dict[str, list[tuple[int, Implementation]]] = {}
        for entry in in_order(entries, order):
            for name, hook in entry.hooks.items():
                one = self.of(entry, name)
                found.setdefault(name.removeprefix(PREFIX), []).append((hook.rank, one))
        return {
            name: tuple(one for _, one in sorted(many, key=lambda pair: pair[0]))
            for name, many in found.items()
        }

    def of(self, entry: Entry, name: str) -> Implementation:
        """A plugin's implementation of a hook, by the hook's whole name."""
        hook = entry.hooks[name]
        return Implementation(
            plugin=entry.name,
            function=hook.function,
            arguments=hook.arguments,
            is_async=hook.is_async,
            essential=bool(entry.kind and entry.kind.essential),
            report=partial(self._report, entry),
            note=partial(self._note, entry),
        )

    def _note(self, entry: Entry, hook: str, words: str) -> None:
        """Remember what is wrong with a plugin, for its card and the log."""
        logging.getLogger(f"jackfield.plugin.{entry.name}").warning(
            "plugin %s: %s: %s", entry.name, hook, words
        )
        if entry.state != "set aside":
            entry.error = f"{hook}: {words}"
            entry.advice = f"Tell its author, or disable it: jackfield plugins disable {entry.name}"

    def _report(self, entry: Entry, hook: str, failure: str) -> None:
        """Count failures in a row, of a hook and of all; too many set the plugin aside."""
        if not failure:
            if entry.failures:
                with self._lock:
                    entry.failures.pop(hook, None)
                    entry.failures.pop("", None)
            return
        with self._lock:
            for key in (hook, ""):
                entry.failures[key] = entry.failures.get(key, 0) + 1
            times = max(entry.failures.values())
            self._note(entry, hook, failure)
            too_often = times >= MOST_FAILURES and entry.state == "enabled"
        if too_often:
            words = f"It failed {times} times in a row, the last time in {hook}: {failure}"
            self._failed_too_often(entry, words)
