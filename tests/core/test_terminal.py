"""``run`` and ``chat`` as they are typed: streams, Ctrl-C, closed pipes, and what they keep."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from installation import PATIENCE, Installation, until, workers
from jackfield.testing import fake_model

LONG = " ".join(f"word{number}" for number in range(400))


@pytest.fixture
def home(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "home")
    made.add_fake_loader()
    fake_model(made.paths.models, "parrot")
    fake_model(made.paths.models, "slow", replies=[LONG], delay=0.05)
    return made


def test_the_answer_alone_goes_to_standard_output(home: Installation):
    done = home.run("run", "parrot", "How are you?", "--verbose")
    assert (done.returncode, done.stdout) == (0, "How are you?\n")
    assert "tokens/s" in done.stderr


def test_a_dash_reads_the_prompt_from_standard_input(home: Installation):
    assert home.run("run", "parrot", "-", input="from a pipe").stdout == "from a pipe\n"


def test_an_answer_as_json_has_its_reason_and_usage(home: Installation):
    got = json.loads(home.run("run", "parrot", "one two three", "--json").stdout)
    assert got["text"] == "one two three"
    assert got["finish_reason"] == "stop"
    assert got["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize(
    ("words", "error", "status"),
    [
        (["parrot", ""], "Error: The prompt is empty.\n", 2),
        (["parot", "hi"], "Error: There is no model 'parot'.\nDid you mean 'parrot'?", 1),
        (["parrot", "hi", "--temperature", "9"], "Error: --temperature: Input should be less", 2),
        (["parrot", "hi", "--preset", "x"], "Error: There is no sampling preset 'x'.\nThere", 1),
        (["parrot", "hi", "--plugins-on", "x"], "Error: There is no plugin 'x'.", 1),
        (["parrot"], "Error: Missing argument", 2),
        (["parrot", "hi", "--tempratur", "1"], "--temperature", 2),
    ],
)
def test_a_mistake_is_one_message_on_standard_error(
    home: Installation, words: list[str], error: str, status: int
):
    done = home.run("run", *words)
    assert error in done.stderr
    assert "Traceback" not in done.stderr
    assert (done.stdout, done.returncode) == ("", status)


def test_debug_adds_the_traceback(home: Installation):
    assert "Traceback" in home.run("run", "parot", "hi", "--debug").stderr


def written(process: subprocess.Popen[str], word: str) -> str:
    """What is written up to a word; the pipe gives what is there without waiting for a line."""
    assert process.stdout is not None
    text = ""
    began = time.monotonic()
    while word not in text and time.monotonic() - began < PATIENCE:
        text += process.stdout.read(1)
    return text


def test_ctrl_c_stops_the_answer_and_keeps_what_was_written(home: Installation):
    process = home.popen("run", "slow", "Tell me")
    try:
        text = written(process, "word3")
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 130
    assert LONG.startswith((text + rest).rstrip("\n"))
    assert rest.endswith("\n")
    assert errors.strip() == "Stopped."


def test_ctrl_c_leaves_no_worker(home: Installation):
    process = home.popen("run", "slow", "Tell me")
    try:
        written(process, "word1")
        (worker,) = workers(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    until(lambda: not worker.is_running(), 10)


def test_a_closed_pipe_ends_it_quietly(home: Installation):
    process = home.popen("run", "slow", "Tell me")
    try:
        written(process, "word1")
        assert process.stdout is not None
        process.stdout.close()
        process.wait(timeout=PATIENCE)
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.stderr.close()
    finally:
        process.kill()


def test_a_chat_answers_line_by_line_and_is_kept(home: Installation):
    typed = "Hello\n/regenerate\n/model nix\n/bogus\n/help\n/clear\nSecond chat\n/quit\nnot read\n"
    done = home.run("chat", "parrot", input=typed)
    assert done.returncode == 0
    assert done.stdout == "Hello\nHello\nSecond chat\n"
    assert "There is no model 'nix'" in done.stderr
    assert "There is no /bogus" in done.stderr
    assert "/regenerate" in done.stderr
    chats = json.loads(home.run("conversations", "list", "--json").stdout)
    assert [chat["title"] for chat in chats] == ["Second chat", "Hello"]
    first = chats[1]["id"]
    shown = json.loads(home.run("conversations", "show", first[:8], "--json").stdout)
    assert [one["role"] for one in shown] == ["user", "assistant"]


def test_a_chat_is_exported_deleted_and_imported(home: Installation, tmp_path: Path):
    home.run("chat", "parrot", input="Keep this\n")
    (chat,) = json.loads(home.run("conversations", "list", "--json").stdout)
    file = tmp_path / "chat.json"
    assert home.run("conversations", "export", chat["id"], "--to", str(file)).returncode == 0
    asked = home.run("conversations", "delete", chat["id"], input="")
    assert (asked.returncode, "Add --yes" in asked.stderr) == (1, True)
    assert home.run("conversations", "delete", chat["id"], "--yes").returncode == 0
    assert json.loads(home.run("conversations", "list", "--json").stdout) == []
    assert home.run("conversations", "import", str(file)).returncode == 0
    (again,) = json.loads(home.run("conversations", "list", "--json").stdout)
    assert again["title"] == "Keep this"


def test_an_export_that_cannot_be_written_says_why(home: Installation, tmp_path: Path):
    home.run("chat", "parrot", input="Keep this\n")
    (chat,) = json.loads(home.run("conversations", "list", "--json").stdout)
    to = str(tmp_path / "missing" / "chat.json")
    done = home.run("conversations", "export", chat["id"], "--to", to)
    assert done.returncode == 1
    assert "cannot be written: No such file or directory" in done.stderr
