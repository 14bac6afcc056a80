"""Chats in the database."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jackfield.conversations import Conversations
from jackfield.conversations.tables import CONVERSATIONS, NODES
from jackfield.errors import ConversationNotFound, InvalidRequest, JackfieldError
from jackfield.messages import UsageEvent, message
from jackfield.trace import Trace, shortened


@pytest.fixture
def chats(tmp_path: Path) -> Conversations:
    return Conversations(f"sqlite:///{tmp_path / 'chats.db'}")


def talk(chats: Conversations, *texts: str) -> tuple[str, list[str]]:
    """A chat of alternating messages; its id and theirs."""
    chat = chats.create(model="m")
    parent, ids = None, []
    for index, text in enumerate(texts):
        role = "assistant" if index % 2 else "user"
        parent = chats.add(chat.id, parent, message(role, text)).id
        ids.append(parent)
    return chat.id, ids


def texts(chats: Conversations, chat: str) -> list[str]:
    return [node.message.text for node in chats.path(chat)]


def test_a_chat_takes_its_title_from_the_first_message_until_it_is_renamed(
    chats: Conversations,
) -> None:
    chat, _ = talk(chats, "What is  the capital\nof France? " + "really " * 20, "Paris")
    assert chats.get(chat).title.startswith("What is the capital of France? really")
    assert chats.get(chat).title.endswith("…")
    chats.rename(chat, "Capitals")
    chats.add(chat, None, message("user", "another beginning"))
    assert chats.get(chat).title == "Capitals"
    with pytest.raises(InvalidRequest):
        chats.rename(chat, "  ")


def test_editing_makes_a_version_and_each_can_be_selected(chats: Conversations) -> None:
    chat, (first, answer) = talk(chats, "one", "answer to one")
    edited = chats.add(chat, None, message("user", "uno"))
    chats.add(chat, edited.id, message("assistant", "answer to uno"))
    assert texts(chats, chat) == ["uno", "answer to uno"]
    assert [node.id for node in chats.siblings(edited.id)] == [first, edited.id]
    assert chats.versions(chat)[answer] == [answer]
    chats.select(chat, first)
    assert texts(chats, chat) == ["one", "answer to one"]


def test_deleting_a_message_takes_what_follows_and_shows_another_version(
    chats: Conversations,
) -> None:
    chat, (first, _) = talk(chats, "one", "answer to one")
    edited = chats.add(chat, None, message("user", "uno"))
    chats.add(chat, edited.id, message("assistant", "answer to uno"))
    chats.delete_node(edited.id)
    assert texts(chats, chat) == ["one", "answer to one"]
    chats.delete_node(first)
    assert texts(chats, chat) == []
    assert chats.get(chat).head is None


def test_a_branch_is_a_chat_of_its_own(chats: Conversations) -> None:
    chat, ids = talk(chats, "one", "two", "three", "four")
    branch = chats.branch(chat, ids[1])
    assert texts(chats, branch.id) == ["one", "two"]
    chats.add(branch.id, branch.head, message("user", "drei"))
    assert texts(chats, chat) == ["one", "two", "three", "four"]


def test_search_looks_into_titles_and_messages_and_takes_signs_literally(
    chats: Conversations,
) -> None:
    paris, _ = talk(chats, "capital of France", "It is Paris, 100%")
    bread, _ = talk(chats, "how to bake bread", "with flour")
    assert [chat.id for chat in chats.list("paris")] == [paris]
    assert [chat.id for chat in chats.list("bread bake")] == [bread]
    assert [chat.id for chat in chats.list("100%")] == [paris]
    assert chats.list("_") == []
    assert [chat.id for chat in chats.list()] == [bread, paris]


def test_a_deleted_chat_can_be_restored_until_it_is_purged(chats: Conversations) -> None:
    chat, _ = talk(chats, "one")
    chats.delete(chat)
    assert chats.list() == []
    assert [one.id for one in chats.list(deleted=True)] == [chat]
    chats.restore(chat)
    assert [one.id for one in chats.list()] == [chat]
    chats.purge(chat)
    with pytest.raises(ConversationNotFound):
        chats.get(chat)
    assert chats.list("one") == []


def test_a_reply_is_kept_as_it_is_written_with_its_trace(chats: Conversations) -> None:
    chat, (first,) = talk(chats, "one")
    reply = chats.add(chat, first, message("assistant", ""), state="streaming")
    chats.write(reply.id, message=message("assistant", "half"))
    assert texts(chats, chat) == ["one", "half"]
    usage = UsageEvent(3, 5)
    chats.write(reply.id, state="complete", trace=Trace("turn-1", model="m"), usage=usage)
    kept = chats.node(reply.id)
    assert (kept.state, kept.usage, kept.message.text) == ("complete", usage, "half")
    trace = chats.trace("turn-1")
    assert trace is not None
    assert trace.model == "m"
    assert chats.trace("turn-2") is None


def test_a_killed_server_leaves_the_text_and_says_so(chats: Conversations, tmp_path: Path) -> None:
    chat, (first,) = talk(chats, "one")
    program = (
        "import os, sys; from jackfield.conversations import Conversations\n"
        "from jackfield.messages import message\n"
        "chats = Conversations(sys.argv[1])\n"
        "node = chats.add(sys.argv[2], sys.argv[3], message('assistant', 'half'), "
        "state='streaming')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    url = f"sqlite:///{tmp_path / 'chats.db'}"
    ended = subprocess.run([sys.executable, "-c", program, url, chat, first], timeout=60)
    assert ended.returncode == -9
    assert chats.recover() == 1
    reply = chats.path(chat)[-1]
    assert (reply.message.text, reply.state) == ("half", "failed")
    assert "ended while" in reply.error


def test_an_exported_chat_comes_back_with_its_whole_tree(chats: Conversations) -> None:
    chat, (first, _) = talk(chats, "eins “quoted” 👋", "two")
    chats.add(chat, first, message("assistant", "deux"))
    back = chats.import_(chats.export(chat))
    assert back.id != chat
    assert texts(chats, back.id) == ["eins “quoted” 👋", "deux"]
    assert len(chats.siblings(chats.path(back.id)[-1].id)) == 2


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"jackfield_conversation": 2}', b"\xff"])
def test_a_file_that_is_no_exported_chat_is_refused(chats: Conversations, data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not an exported chat"):
        chats.import_(data)
    assert chats.list() == []


def test_what_does_not_exist_is_said(chats: Conversations) -> None:
    chat, _ = talk(chats, "one")
    other, (foreign,) = talk(chats, "two")
    for attempt in (
        lambda: chats.get("nope"),
        lambda: chats.node("nope"),
        lambda: chats.add(chat, "nope", message("user", "x")),
        lambda: chats.add(chat, foreign, message("user", "x")),
        lambda: chats.delete("nope"),
    ):
        with pytest.raises(ConversationNotFound):
            attempt()
    assert texts(chats, other) == ["two"]


def test_a_database_of_a_newer_version_is_refused_unharmed(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "chats.db"
    chats = Conversations(f"sqlite:///{path}")
    talk(chats, "one")
    with sqlite3.connect(path) as database:
        database.execute("update schema_version set version = 99")
    database.close()
    with pytest.raises(JackfieldError, match="newer Jackfield"):
        Conversations(f"sqlite:///{path}").list()


def test_a_database_that_is_none_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "chats.db"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(JackfieldError, match="cannot be opened") as caught:
        Conversations(f"sqlite:///{path}").list()
    assert "move it away" in caught.value.hint
    assert path.read_bytes() == b"something else entirely" * 100


def test_a_thousand_chats_of_fifty_messages_are_listed_at_once(chats: Conversations) -> None:
    first = chats.create(title="Die Straße", model="m")
    chats.add(first.id, None, message("user", "Grüße aus ÖSTERREICH"))
    fill(chats, first.id, copies=999, messages=50)
    began = time.perf_counter()
    listed = chats.list(limit=1000)
    assert time.perf_counter() - began < 1
    assert len(listed) == 1000
    began = time.perf_counter()
    assert [chat.id for chat in chats.list("grüße österreich")] == [first.id]
    assert [chat.id for chat in chats.list("STRASSE")] == [first.id]
    assert time.perf_counter() - began < 10


def fill(chats: Conversations, like: str, *, copies: int, messages: int) -> None:
    """Many copies of a chat, each with so many copies of its messages."""
    with chats._engine.begin() as database:
        (chat,) = database.execute(CONVERSATIONS.select().where(CONVERSATIONS.c.id == like))
        (node,) = database.execute(NODES.select().where(NODES.c.conversation == like))
        plain = {"title": "x", "search": "some words"}
        database.execute(
            CONVERSATIONS.insert(),
            [{**chat._mapping, **plain, "id": f"c{number}"} for number in range(copies)],
        )
        database.execute(
            NODES.insert(),
            [
                {
                    **node._mapping,
                    "id": f"n{number}-{place}",
                    "conversation": f"c{number}",
                    "search": "other words",
                }
                for number in range(copies)
                for place in range(messages)
            ],
        )


def test_two_processes_make_one_database_and_write_to_it_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chats.db'}"
    program = (
        "import sys; from jackfield.conversations import Conversations\n"
        "from jackfield.messages import message\n"
        "chats = Conversations(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "chat = chats.list()[0].id if sys.argv[2:] else chats.create().id\n"
        "for number in range(100):\n"
        "    node = chats.add(chat, None, message('user', f'{number}'))\n"
        "    chats.write(node.id, message=message('user', f'{number} done'))\n"
    )
    shared = Conversations(f"sqlite:///{tmp_path / 'shared.db'}")
    chat = shared.create()
    for arguments in ([url], [f"sqlite:///{tmp_path / 'shared.db'}", "shared"]):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for _ in range(2)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            process.communicate(b"go\n", timeout=120)
        assert [process.returncode for process in processes] == [0, 0]
    apart = Conversations(url)
    assert len(apart.list()) == 2
    with shared._engine.connect() as database:
        rows = database.execute(NODES.select().where(NODES.c.conversation == chat.id)).all()
    assert sorted(row.number for row in rows) == list(range(1, 201))
    assert all(row.search.endswith("done") for row in rows)


def test_a_copy_of_a_reply_that_is_being_written_is_a_stopped_one(chats: Conversations) -> None:
    chat, (first,) = talk(chats, "one")
    reply = chats.add(chat, first, message("assistant", "half"), state="streaming")
    branch = chats.branch(chat, reply.id)
    assert chats.path(branch.id)[-1].state == "cancelled"
    assert chats.node(reply.id).state == "streaming"
    assert chats.path(chats.import_(chats.export(chat)).id)[-1].state == "cancelled"


def test_a_damaged_export_is_refused_and_one_without_a_head_shows_its_last_message(
    chats: Conversations,
) -> None:
    chat, (first, answer) = talk(chats, "one", "two")
    data = json.loads(chats.export(chat))
    twice = {**data, "nodes": [*data["nodes"], data["nodes"][0]]}
    with pytest.raises(InvalidRequest, match="there twice"):
        chats.import_(json.dumps(twice).encode())
    orphan = {**data, "nodes": data["nodes"][1:]}
    with pytest.raises(InvalidRequest, match=f"'{answer}'.*missing"):
        chats.import_(json.dumps(orphan).encode())
    headless = {**data, "conversation": {**data["conversation"], "head": "nope"}}
    assert texts(chats, chats.import_(json.dumps(headless).encode()).id) == ["one", "two"]
    assert len(chats.list()) == 2
    assert first in {node["id"] for node in data["nodes"]}


def test_the_head_can_only_be_a_message_of_the_chat(chats: Conversations) -> None:
    chat, (first, _) = talk(chats, "one", "two")
    _, (foreign,) = talk(chats, "other")
    chats.update(chat, head=first)
    assert texts(chats, chat) == ["one"]
    with pytest.raises(ConversationNotFound):
        chats.update(chat, head=foreign)
    chats.update(chat, head=None)
    assert texts(chats, chat) == []
    with pytest.raises(InvalidRequest, match="'colour'"):
        chats.update(chat, colour="red")


def test_a_closed_database_is_opened_again_when_it_is_used(chats: Conversations) -> None:
    chat, _ = talk(chats, "one")
    chats.close()
    chats.close()
    assert texts(chats, chat) == ["one"]


def test_the_trace_of_a_very_long_prompt_keeps_its_beginning_and_its_end() -> None:
    prompt = "a" * 30_000 + "b" * 30_000
    kept = shortened(prompt)
    assert kept.startswith("a" * 20_000 + "\n[... 20000 characters ...]\n")
    assert kept.endswith("b" * 20_000)
    assert shortened("short") == "short"
