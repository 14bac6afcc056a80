"""The process that reads files.

It reads one JSON object a line and answers each with a line: ``document``, or ``refused`` (a
sentence without its subject, and a hint), or ``failed`` (the name of an error and its text). Its
first line, ``{}``, says that it is ready. Its argument is the memory that it may take, in bytes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from jackfield_plugins.reading.text import Read, Refused

LARGEST_FILE = 200_000_000
"""Bytes that it may write into one file: a page drawn as a picture."""


def read(request: dict[str, Any]) -> Read:
    """Read a file as what it is said to be.

    Raises:
        Refused: it cannot be read.
    """
    path, kind = Path(request["path"]), request["kind"]
    charset = request.get("charset", "")
    if not path.stat().st_size:
        raise Refused("is empty")
    if kind == "text":
        from jackfield_plugins.reading.text import read_text

        return read_text(path, request.get("ending", ""), charset)
    if kind == "markdown":
        from jackfield_plugins.reading.markdown import read_markdown

        return read_markdown(path, charset)
    if kind == "html":
        from jackfield_plugins.reading.web import read_html

        return read_html(path, charset)
    if kind == "csv":
        from jackfield_plugins.reading.tables import read_csv

        return read_csv(path, charset)
    if kind == "page picture":
        from jackfield_plugins.reading.pdf import draw_page

        draw_page(path, int(request["page"]), Path(request["into"]))
        return Read([])
    return _binary(kind, path)


def _binary(kind: str, path: Path) -> Read:
    if kind == "pdf":
        from jackfield_plugins.reading.pdf import read_pdf

        return read_pdf(path)
    if kind == "xlsx":
        from jackfield_plugins.reading.tables import read_xlsx

        return read_xlsx(path)
    if kind == "image":
        from jackfield_plugins.reading.image import read_image

        return read_image(path)
    from jackfield_plugins.reading import office

    readers = {"docx": office.read_docx, "pptx": office.read_pptx, "epub": office.read_epub}
    return readers[kind](path)


def answer(line: bytes) -> dict[str, Any]:
    """What comes of a request."""
    try:
        return {"document": read(json.loads(line)).told()}
    except Refused as error:
        return {"refused": error.what, "hint": error.hint}
    except MemoryError:
        return {
            "refused": "takes more memory to read than is allowed",
            "hint": "Split it, or allow more in the plugin's options.",
        }
    except Exception as error:  # noqa: BLE001 - libraries fail in many ways on broken files
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


def _limit(name: str, value: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    with suppress(ValueError, OSError):  # some systems do not know all of them
        resource.setrlimit(getattr(resource, name), (value, resource.RLIM_INFINITY))


def main() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the answers
    _limit("RLIMIT_AS", int(sys.argv[1]))
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_FSIZE", LARGEST_FILE)
    answers.write(b"{}\n")
    answers.flush()
    for line in sys.stdin.buffer:
        # Kept even when nobody is there any more to stop it; two threads may compute at once.
        seconds = json.loads(line)["seconds"]
        _limit("RLIMIT_CPU", int(time.process_time() + 2 * seconds) + 1)
        answers.write(json.dumps(answer(line)).encode())
        answers.write(b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
