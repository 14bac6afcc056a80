"""Plays the sounds of a reply one after another while it is written, and on after its end.

What plays lives in the browser's window, so that a new drawing of the page does not interrupt it.
Scripts may ask ``window.jackfieldPlayer.speaking``, call ``window.jackfieldPlayer.hush()`` and
listen for the window's event ``jackfield-speaking``. The Stop button and the Escape key hush it.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import streamlit as st

from jackfield.jobs import Job
from jackfield.messages import AudioEvent, DoneEvent

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_PLAYED = "chat.played"
_REPEATED = "chat.repeated"
LAST = 3
"""Sounds at the end of a reply that are handed over twice."""

_SCRIPT = """
function makePlayer() {
  const player = { reply: "", muted: "", known: new Set(), queue: [], audio: null };
  player.speaking = false;
  const tell = (speaking) => {
    player.speaking = speaking;
    window.dispatchEvent(new CustomEvent("jackfield-speaking", { detail: speaking }));
  };
  const next = () => {
    if (player.audio) URL.revokeObjectURL(player.audio.src);
    player.audio = null;
    const sound = player.queue.shift();
    if (!sound) return tell(false);
    player.audio = new Audio(URL.createObjectURL(sound.blob));
    player.audio.onended = player.audio.onerror = next;
    tell(true);
    player.audio.play().catch(next);
  };
  const clear = () => {
    player.queue = [];
    if (player.audio) player.audio.pause();
    next();
  };
  player.hush = () => {
    player.muted = player.reply;
    clear();
  };
  player.add = (reply, number, blob) => {
    if (reply !== player.reply) {
      clear();
      player.reply = reply;
      player.known.clear();
    }
    if (player.known.has(number)) return;
    player.known.add(number);
    if (reply === player.muted) return;
    player.queue.push({ number, blob });
    player.queue.sort((one, other) => one.number - other.number);
    if (!player.audio) next();
  };
  const stop = '[class*="st-key-chat-stop"]';
  const stopped = (event) => event.target.closest?.(stop) && player.hush();
  document.addEventListener("click", stopped, true);
  document.addEventListener("keydown", (event) => event.key === "Escape" && player.hush(), true);
  return player;
}
export default function ({ data }) {
  window.jackfieldPlayer ??= makePlayer();
  const bytes = Uint8Array.from(atob(data.sound), (letter) => letter.charCodeAt(0));
  const blob = new Blob([bytes], { type: data.type });
  window.jackfieldPlayer.add(data.reply, data.number, blob);
}
"""


class Player:
    """The player of one reply.

    Args:
        place: where its invisible elements go.
        reply: names the reply; another one's sounds end those before.
    """

    def __init__(self, place: DeltaGenerator, reply: str) -> None:
        self._place = place
        self._reply = reply
        self._number = 0

    def play(self, event: AudioEvent) -> None:
        """Play a sound after those before it, unless this tab has had it."""
        number, self._number = self._number, self._number + 1
        reply, played = st.session_state.get(_PLAYED, ("", 0))
        if reply == self._reply and number < played:
            return
        _mount(self._place, event, self._reply, number)
        st.session_state[_PLAYED] = (self._reply, number + 1)


def draw_rest(job: Job | None) -> None:
    """Hand the last sounds of a chat's ended reply over once more.

    The page is drawn anew as soon as a reply ends, and what came just before may never have got
    to the player, which passes over what it knows. To be called in every run, at the same place.
    """
    place = st.container(gap=None)
    reply, _ = st.session_state.get(_PLAYED, ("", 0))
    if job is None or not job.done or job.turn.id != reply:
        return
    events = job.events
    end = events[-1]
    stopped = isinstance(end, DoneEvent) and end.finish_reason == "cancelled"
    if stopped or st.session_state.get(_REPEATED) == reply:
        return
    sounds = [event for event in events if isinstance(event, AudioEvent)]
    for number, event in list(enumerate(sounds))[-LAST:]:
        _mount(place, event, reply, number)
    st.session_state[_REPEATED] = reply


def _mount(place: DeltaGenerator, event: AudioEvent, reply: str, number: int) -> None:
    component = st.components.v2.component("jackfield_player", js=_SCRIPT)
    sound = base64.b64encode(event.data).decode()
    data = {"reply": reply, "number": number, "type": event.media_type, "sound": sound}
    with place:
        component(data=data, key=f"chat.sound.{reply}.{number}", height=0)
