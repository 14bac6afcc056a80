"""The reply that is being written, followed from its job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.chat.markdown import markdown, markdown_pieces
from jackfield.dashboard.chat.message import draw_sources
from jackfield.dashboard.chat.player import Player
from jackfield.dashboard.chat.shown import Shown
from jackfield.dashboard.chat.tools import draw_question, draw_running, draw_step
from jackfield.dashboard.words import plain
from jackfield.jobs import Job
from jackfield.messages import (
    AudioEvent,
    Event,
    NoticeEvent,
    Passage,
    ReasoningEvent,
    SourceEvent,
    TextEvent,
    ToolCallEvent,
    ToolResultEvent,
)

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.elements.lib.mutable_status_container import StatusContainer

BATCH = 0.05  # seconds between drawings
SILENCE = 0.3  # seconds without news after which the page looks whether someone has clicked
CURSOR = " ▍"


def follow(app: Application, job: Job, chat: Shown) -> None:
    """Draw a reply while it is written; returns when it has ended.

    Leaving the page ends the drawing, not the reply.
    """
    with st.chat_message("assistant", avatar=chat.avatar("assistant")):
        if chat.look.name:
            st.caption(f"**{plain(chat.look.name)}**")
        drawing = _Drawing(app, job, chat)
        while not drawing.over:
            st.write_stream(markdown_pieces(drawing.texts()), cursor=CURSOR)
            drawing.draw_step()
        drawing.end()


class _Drawing:
    """The places of a reply on the page; claimed at once, so that no old element shines through."""

    def __init__(self, app: Application, job: Job, chat: Shown) -> None:
        self._app = app
        self._job = job
        self._chat = chat
        self._batches = batches(job)
        self._waiting: list[Event] = []
        self._step: ToolCallEvent | ToolResultEvent | None = None
        self._steps: dict[str, tuple[DeltaGenerator, ToolCallEvent]] = {}
        self._notices = st.container()
        self._player = Player(st.container(gap=None), job.turn.id)
        self._sources: list[Passage] = []
        self._begin()
        self._begun = not job.turn.continues
        self.over = False

    def _begin(self) -> None:
        """Claim the places of what follows."""
        self._stage = st.empty()
        self._place = self._thoughts = st.empty()
        self._reasoning = ""
        self._thinking: StatusContainer | None = None
        self._spoken = False

    def texts(self) -> Iterator[str]:
        """The reply's text in pieces, up to a call of a tool or its result.

        Everything else is drawn as it comes.
        """
        if not self._begun:
            self._begun = True
            yield self._job.turn.messages[-1].text
        while True:
            events: list[Event] | None = self._waiting or next(self._batches, None)
            self._waiting = []
            if events is None:
                self.over = True
                return
            for place, event in enumerate(events):
                if isinstance(event, ToolCallEvent | ToolResultEvent):
                    self._step, self._waiting = event, events[place + 1 :]
                    return
                if isinstance(event, TextEvent):
                    if event.text and not self._spoken:
                        self._speak()
                    yield event.text
                self._take(event)
            self._draw_stage()

    def draw_step(self) -> None:
        """Draw the call or the result that the text stopped at."""
        event, self._step = self._step, None
        if event is None:
            return
        self._stage.empty()
        if isinstance(event, ToolResultEvent):
            place, asked = self._steps[event.result.call_id]
            draw_step(place, asked.call, asked.title or asked.call.name, event.result)
            self._begin()
            return
        place = st.empty()
        self._steps[event.call.id] = (place, event)
        title = event.title or event.call.name
        if event.asks and not self._job.decided(event.call.id):
            draw_question(place, self._job, event.call, title)
            self._spoken = True  # nothing is waited for but the user
        else:
            draw_running(place, event.call, title)

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
