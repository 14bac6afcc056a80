"""Counts turns, tokens and time, for the user's own eyes."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield import Field, ModelInfo, Page, Plugin, hookimpl

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from jackfield.pipeline import Turn
    from jackfield.trace import Trace

TABLES = """
create table if not exists turns (
    day text not null, model text not null, origin text not null,
    turns integer not null, prompt_tokens integer not null, completion_tokens integer not null,
    seconds real not null, failed integer not null, primary key (day, model, origin)
);
create table if not exists loads (
    day text not null, model text not null, loads integer not null, seconds real not null,
    primary key (day, model)
);
"""


class UsageRow(msgspec.Struct, frozen=True):
    """What one model did on one day for one kind of caller (dashboard, api, cli)."""

    day: str
    model: str
    origin: str
    turns: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    failed: int


class Usage(Plugin):
    """Counts your turns, tokens and seconds by day and model; nothing leaves this computer."""

    class Config(Plugin.Config):
        """Options of the count."""

        keep_days: int = Field(365, ge=1, le=3650, description="Days to keep counts for")

    def __init__(self, config: Plugin.Config, context: Any) -> None:
        super().__init__(config, context)
        self._lock = threading.Lock()
        self._resident_since: dict[str, float] = {}

    @hookimpl
    def jackfield_started(self) -> None:
        """Forget what is too old."""
        self._forget()

    @hookimpl
    def jackfield_stopped(self) -> None:
        """Note how long models were resident until now."""
        for model in list(self._resident_since):
            self._note_resident(model)

    @hookimpl
    def jackfield_config_changed(self, before: Mapping[str, Any]) -> None:
        """A shorter time to keep takes effect at once."""
        if self.config.keep_days < before["keep_days"]:
            self._forget()

    @hookimpl
    def jackfield_after_turn(self, turn: Turn, trace: Trace) -> None:
        """Add a turn."""
        usage = trace.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        values = (_today(), trace.model, turn.origin, *tokens, usage.seconds if usage else 0.0)
        with self._database() as database:
            database.execute(
                "insert into turns values (?, ?, ?, 1, ?, ?, ?, ?) on conflict do update set "
                "turns = turns + 1, prompt_tokens = prompt_tokens + excluded.prompt_tokens, "
                "completion_tokens = completion_tokens + excluded.completion_tokens, "
                "seconds = seconds + excluded.seconds, failed = failed + excluded.failed",
                (*values, int(bool(trace.error))),
            )

    @hookimpl
    def jackfield_model_loaded(self, model: str, info: ModelInfo) -> None:
        """A model's time in memory begins."""
        self._resident_since[model] = time.monotonic()
        self.context.log.debug("%s holds %d tokens of context", model, info.context_length)
        with self._database() as database:
            database.execute(
                "insert into loads values (?, ?, 1, 0) on conflict do update set loads = loads + 1",
                (_today(), model),
            )

    @hookimpl
    def jackfield_model_unloaded(self, model: str) -> None:
        """A model's time in memory ends."""
        self._note_resident(model)

    @hookimpl
    def jackfield_pages(self) -> list[Page]:
        """A page with charts."""
        return [
            Page(
                title="Usage",
                url_path="usage",
                icon=":material/bar_chart:",
                draw=lambda app: self._draw(),
            )
        ]

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer) -> None:
        """``jackfield usage``."""
        import typer

        @cli.command("usage")
        def usage(
            days: int = typer.Option(30, min=1, help="How many days back"),
            as_json: bool = typer.Option(False, "--json", help="Print JSON"),
        ) -> None:
            """Turns, tokens and seconds by day and model."""
            rows = self.rows(days)
            if as_json:
                typer.echo(json.dumps([msgspec.structs.asdict(row) for row in rows]))
                return
            for row in rows:
                typer.echo(
                    f"{row.day}  {row.model:<24} {row.origin:<10} {row.turns:>6} turns "
                    f"{row.prompt_tokens + row.completion_tokens:>9} tokens {row.seconds:>8.1f} s"
                )
            if not rows:
                typer.echo("Nothing has been counted yet.", err=True)

    @hookimpl
    def jackfield_routes(self) -> APIRouter:
        """``GET /api/plugins/usage/summary``."""
        from fastapi import APIRouter, Query

        router = APIRouter()

        @router.get("/summary")
        def summary(days: int = Query(30, ge=1, le=3650)) -> list[dict[str, Any]]:
            """Turns, tokens and seconds by day, model and caller, newest first."""
            return [msgspec.structs.asdict(row) for row in self.rows(days)]

        return router

    def rows(self, days: int) -> list[UsageRow]:
        """Counts of the last days, newest first."""
        since = (date.today() - timedelta(days=days - 1)).isoformat()
        with self._database() as database:
            found = database.execute(
                "select * from turns where day >= ? order by day desc, model, origin", (since,)
            ).fetchall()
        return [UsageRow(*row) for row in found]

    def _draw(self) -> None:
        """The page: totals, tokens by day, and the table."""
        import streamlit as st

        st.title("Usage")
        days = st.segmented_control(
            "Days", [7, 30, 365], default=30, key="usage-days", label_visibility="collapsed"
        )
        rows = self.rows(days or 30)
        if not rows:
            st.info("Nothing has been counted yet: ask something on the Chat page.")
            return
        turns, tokens, seconds = st.columns(3)
        written = sum(row.completion_tokens for row in rows)
        turns.metric("Turns", f"{sum(row.turns for row in rows):,}", border=True)
        tokens.metric("Tokens written", f"{written:,}", border=True)
        seconds.metric("Time spent", f"{sum(row.seconds for row in rows):,.0f} s", border=True)
        table = [msgspec.structs.asdict(row) for row in rows]
        st.subheader("Tokens written by day")
        st.bar_chart(
            table,
            x="day",
            y="completion_tokens",
            color="model",
            x_label="Day",
            y_label="Tokens",
        )
        st.dataframe(table, hide_index=True)
        st.caption("These counts are kept on this computer and are sent nowhere.")

    def _note_resident(self, model: str) -> None:
        since = self._resident_since.pop(model, None)
        if since is None:
            return
        with self._database() as database:
            database.execute(
                "insert into loads values (?, ?, 0, ?) on conflict do update set "
                "seconds = seconds + excluded.seconds",
                (_today(), model, time.monotonic() - since),
            )

    def _forget(self) -> None:
        oldest = (date.today() - timedelta(days=self.config.keep_days)).isoformat()
        with self._database() as database:
            database.execute("delete from turns where day < ?", (oldest,))
            database.execute("delete from loads where day < ?", (oldest,))

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A connection for one use; other processes may have theirs."""
        self.context.data.mkdir(parents=True, exist_ok=True)
        with self._lock:
            database = sqlite3.connect(self.context.data / "usage.db", timeout=10)
            try:
                with database:
                    database.executescript(TABLES)
                    yield database
            finally:
                database.close()


def _today() -> str:
    return date.today().isoformat()
