import sqlite3

import msgspec
import pytest

from jackfield import MediaPart, Message, Plugin, TextPart, hookimpl, message
from jackfield.application import Application
from jackfield.messages import NoticeEvent
from jackfield.paths import Paths
from jackfield.pipeline import Turn
from jackfield.testing import Workbench


class Reader(Plugin):
    """Reads what is attached."""

    @hookimpl
    async def jackfield_transform_messages(self, messages, turn):
        assert turn.info.context_length == 4096
        turn.tell(f"{await turn.count('four')} tokens")
        turn.extras["reader"] = {"read": True}
        turn.accounts["reader"] = [{"file": "note.txt"}]
        return [
            Message(
                one.role,
                tuple(
                    TextPart(f"[{part.name}]") if isinstance(part, MediaPart) else part
                    for part in one.parts
                ),
            )
            for one in messages
        ]


class Loses(Plugin):
    """Loses what the user said."""

    @hookimpl
    def jackfield_transform_messages(self, messages):
        return [one for one in messages if one.role != "user"]


def attached() -> Message:
    return Message("user", (TextPart("Look: "), MediaPart("text/plain", b"x", "note.txt")))


def test_a_plugin_changes_what_the_model_reads_and_not_what_is_saved() -> None:
    with Workbench(Reader, replies=["prompt"]) as bench:
        chats = bench.app.conversations
        chat = chats.create(model="fake-model", options={"reader": {"a": 1}}, tools=["x"])
        asked = chats.add(chat.id, None, attached())
        turn = Turn(
            model="fake-model", messages=[attached()], conversation=chat.id, parent=asked.id
        )
        events = bench.app.portal.call(bench._collect, turn)
        path = chats.path(chat.id)
        again = chats.get(chat.id)
        trace = bench.app.traces.get(turn.id)
    assert "Look: [note.txt]" in path[1].message.text
    assert path[0].message == attached()
    assert path[1].message.extras == {"reader": {"read": True}}
    assert "tokens" in next(one for one in events if isinstance(one, NoticeEvent)).text
    assert trace.accounts == {"reader": [{"file": "note.txt"}]}
    (line,) = [one for one in trace.lines if one.hook == "transform_messages"]
    assert "[text/plain 'note.txt', 1 bytes]" in line.before
    assert (again.options, again.tools) == ({"reader": {"a": 1}}, ["x"])


def test_media_that_nobody_reads_is_refused() -> None:
    with Workbench() as bench:
        turn = Turn(model="fake-model", messages=[attached()])
        assert "takes no text" in bench.app.portal.call(bench._collect, turn)[-2].message


def test_a_plugin_that_loses_a_message_is_passed_over() -> None:
    with Workbench(Loses) as bench:
        reply = bench.chat("hello", before=[message("system", "s")])
    assert reply.text == "hello"
    assert "0 messages of the user; there were 1" in reply.trace.lines[0].error


def test_chats_of_before_there_were_options_are_still_there(paths: Paths) -> None:
    app = Application(paths, entry_points=[])
    chat = app.conversations.create(model="m", title="Old")
    app.conversations.close()
    with sqlite3.connect(paths.database) as database:
        for column in ("options", "tools"):
            database.execute(f"alter table conversations drop column {column}")
        database.execute("update schema_version set version = 1")
    database.close()
    found = app.conversations.get(chat.id)
    assert (found.title, found.options, found.tools) == ("Old", {}, [])
    app.conversations.update(chat.id, options={"a": {"b": 1}}, tools=["t"])
    exported = msgspec.json.decode(app.conversations.export(chat.id))
    assert exported["conversation"]["options"] == {"a": {"b": 1}}


@pytest.mark.parametrize("text", ["a.b=1", 'a.b=["x"]', "a.b=plain text"])
def test_options_of_plugins_are_read_from_the_command_line(text: str) -> None:
    from jackfield.cli.plugin_options import plugin_options

    value = {"a.b=1": 1, 'a.b=["x"]': ["x"], "a.b=plain text": "plain text"}[text]
    assert plugin_options([text]) == {"a": {"b": value}}
    with pytest.raises(Exception, match=r"plugin\.name=value"):
        plugin_options(["nonsense"])
