"""The reply that is being written, followed from its job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.chat.markdown import markdown, markdown_pieces
from jackfield.dashboard.chat.message import AVATARS, draw_sources
from jackfield.dashboard.chat.player import Player
from jackfield.jobs import Job
from jackfield.messages import (
    AudioEvent,
    Event,
    NoticeEvent,
    Passage,
    ReasoningEvent,
    SourceEvent,
    TextEvent,
)

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.elements.lib.mutable_status_container import StatusContainer

BATCH = 0.05  # seconds between drawings
SILENCE = 0.3  # seconds without news after which the page looks whether someone has clicked
CURSOR = " ▍"


def follow(app: Application, job: Job) -> None:
    """Draw a reply while it is written; returns when it has ended.

    Leaving the page ends the drawing, not the reply.
    """
    with st.chat_message("assistant", avatar=AVATARS["assistant"]):
        drawing = _Drawing(app, job)
        st.write_stream(markdown_pieces(drawing.texts()), cursor=CURSOR)
        drawing.end()


class _Drawing:
    """The places of a reply on the page; claimed at once, so that no old element shines through."""

    def __init__(self, app: Application, job: Job) -> None:
        self._app = app
        self._job = job
        self._stage = st.empty()
        self._place = self._thoughts = st.empty()
        self._notices = st.container()
        self._player = Player(st.container(gap=None), job.turn.id)
        self._sources: list[Passage] = []
        self._reasoning = ""
        self._thinking: StatusContainer | None = None
        self._spoken = False

    def texts(self) -> Iterator[str]:
        """The reply's text in pieces; everything else is drawn as it comes."""
        turn = self._job.turn
        if turn.continues:
            yield turn.messages[-1].text
        for events in batches(self._job):
            text = "".join(event.text for event in events if isinstance(event, TextEvent))
            if text and not self._spoken:
                self._speak()
            yield text
            for event in events:
                self._take(event)
            self._draw_stage()

    def end(self) -> None:
        """Draw what comes after the text."""
        self._stage.empty()
        draw_sources(self._sources)

    def _speak(self) -> None:
        self._spoken = True
        self._stage.empty()
        if self._thinking is not None:
            self._thinking.update(label="Thoughts", state="complete")

    def _take(self, event: Event) -> None:
        match event:
            case ReasoningEvent(text):
                self._reasoning += text
                self._draw_thoughts()
            case NoticeEvent(text):
                self._notices.caption(f":material/info: {markdown(text)}")
            case SourceEvent(passage):
                self._sources.append(passage)
            case AudioEvent():
                self._player.play(event)

    def _draw_thoughts(self) -> None:
        if self._thinking is None:
            self._stage.empty()
            self._thinking = self._place.status(":shimmer[Thinking]", type="compact")
            self._thoughts = self._thinking.empty()
        self._thoughts.markdown(markdown(self._reasoning))

    def _draw_stage(self) -> None:
        """Say what is being waited for; also the moment in which a click is noticed."""
        if self._spoken or self._reasoning:
            self._stage.empty()  # it is empty: this only lets Streamlit look for a click
            return
        resident = self._app.engine.resident(self._job.turn.model)
        if resident is not None and resident.state == "loading":
            draw_loading(self._stage, resident.model, resident.stage, resident.progress)
        elif resident is not None and resident.queued:
            self._stage.markdown(":shimmer[Waiting for other replies of this model]")
        else:
            self._stage.markdown(":shimmer[Reading]")


def draw_loading(place: DeltaGenerator, model: str, stage: str, progress: float) -> None:
    """Draw how far a model's loading is."""
    share = min(max(progress, 0.0), 1.0)
    detail = f" · {stage}" if stage else ""
    place.progress(share, f"Loading **{model}**{detail}")


def batches(job: Job) -> Iterator[list[Event]]:
    """A job's events as they come, an empty batch after each silence, until the job ends."""
    at = 0
    while True:
        done = job.done  # before the events, so that the last are among them
        fresh = job.events[at:]
        at += len(fresh)
        yield fresh
        if done:
            return
        next(job.follow(at, SILENCE), None)
        time.sleep(BATCH)
