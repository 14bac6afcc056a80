"""Calls of tools on the terminal: what is called, the question whether it may, the result."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from jackfield.cli.door import Door
from jackfield.jobs import Job
from jackfield.messages import ToolCallEvent, ToolResultEvent
from jackfield.pipeline.turn import Approval

SHOWN = 300
"""Characters of a result that are shown."""
ANSWERS: Mapping[str, Approval] = {"y": "once", "a": "always", "n": "refused", "v": "never"}


def tool_step(door: Door, job: Job, event: ToolCallEvent | ToolResultEvent) -> None:
    """Show a call or a result; answer a call that waits for the user."""
    if isinstance(event, ToolResultEvent):
        result = event.result
        text = result.text if len(result.text) <= SHOWN else f"{result.text[:SHOWN]} …"
        door.side.print(f"  = {text}", style="red" if result.error else "dim", markup=False)
        return
    call = event.call
    door.side.print(f"{event.title or call.name} {call.arguments}", style="cyan", markup=False)
    if event.asks:
        job.answer(call.id, _asked(door))


def _asked(door: Door) -> Approval:
    """What the user says; refused where nobody can be asked."""
    if not sys.stdin.isatty():
        door.side.print("  Not allowed: nobody can be asked here.", style="yellow")
        return "refused"
    while True:
        door.side.print("  May it run? [y]es, [a]lways, [n]o, ne[v]er: ", end="", markup=False)
        try:
            word = input().strip().lower()
        except (EOFError, KeyboardInterrupt):
            return "refused"
        if word in ANSWERS:
            return ANSWERS[word]
