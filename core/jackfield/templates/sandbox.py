"""Renders chat templates in a process of its own, which may be killed.

A template comes with a model from a stranger. Jinja's sandbox keeps it from Python's inside, but
not from texts of gigabytes or from loops without end, and some of those cannot be interrupted from
within. So it runs here, with limits that the operating system keeps.

This file is run by its path and imports nothing of Jackfield, so that it starts quickly. It reads
one JSON object a line, ``source`` and ``values``, and answers each with a line: ``text``, or
``error`` (``syntax``, ``refused``, ``long``, ``memory`` or ``failed``), ``message`` and ``line``.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST = 4_000_000
"""Characters a prompt may have."""
MEMORY = 1 << 30
"""Bytes this process may take, where the operating system can say so."""
PROCESSOR_SECONDS = 4
"""Computing time for one template, kept even when nobody is there any more to stop it."""


class Refused(jinja2.TemplateError):
    """Raised by a template that does not take a conversation."""


class TooLong(jinja2.TemplateError):
    """A prompt that grows past all measure."""


class Generation(Extension):
    """Takes ``{% generation %}`` as the text inside it; it marks what was trained on."""

    tags = {"generation"}  # noqa: RUF012 - Jinja reads it from the class

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The statements between the two tags."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def render(source: str, values: dict[str, Any]) -> dict[str, Any]:
    """Render a template; the answer is text or says what is wrong."""
    try:
        return {"text": _rendered(source, values)}
    except jinja2.TemplateSyntaxError as error:
        return {"error": "syntax", "message": error.message, "line": error.lineno}
    except Refused as error:
        return {"error": "refused", "message": error.message}
    except TooLong as error:
        return {"error": "long", "message": error.message}
    except MemoryError:
        return {"error": "memory", "message": "it takes too much memory"}
    except Exception as error:  # noqa: BLE001 - the template's own code runs here
        return {"error": "failed", "message": f"{type(error).__name__}: {error}"[:2000]}


def _rendered(source: str, values: dict[str, Any]) -> str:
    pieces, length = [], 0
    for piece in _compiled(source).generate(values):
        length += len(piece)
        if length > LONGEST:
            raise TooLong(f"it writes more than {LONGEST} characters")
        pieces.append(piece)
    return "".join(pieces)


@lru_cache(maxsize=32)
def _compiled(source: str) -> jinja2.Template:
    """A template in the environment that Transformers gives its chat templates."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[Generation, "jinja2.ext.loopcontrols"],
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {"raise_exception": _refuse, "strftime_now": _strftime_now}
    return environment.from_string(source)


def _refuse(message: str) -> NoReturn:
    raise Refused(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON without HTML escapes, unlike Jinja's own filter."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _limits() -> Callable[[], None]:
    """Limit this process's memory; what comes back limits its computing time from now on."""
    if sys.platform == "win32":
        return lambda: None
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def limit_time() -> None:
        seconds = int(time.process_time()) + PROCESSOR_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))

    return limit_time


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this
    limit_time = _limits()
    answers = sys.stdout.buffer
    answers.write(b"{}\n")
    answers.flush()
    for line in sys.stdin.buffer:
        limit_time()
        request = json.loads(line)
        answers.write(json.dumps(render(request["source"], request["values"])).encode())
        answers.write(b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
