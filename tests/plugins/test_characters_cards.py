"""Character cards go in and out: whole, whoever wrote them; what is none is refused."""

import copy
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

import character_cards as written
from character_cards import V2, V3, card_in, chunk, encoded, pixels, png
from jackfield import InvalidRequest, LoreEntry, NotFound
from jackfield_plugins.characters import cards, files
from jackfield_plugins.characters.store import Store

V1 = {name: V2["data"][name] for name in cards.V1_FIELDS}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "characters")


def kept(store: Store, data: bytes) -> str:
    """The id under which a file's character is kept, read back by another store."""
    read = files.read_file(data)
    return store.create(read.character, read.picture).id


@pytest.mark.parametrize(("card", "keyword"), [(V2, "chara"), (V3, "ccv3")])
def test_a_card_of_another_editor_goes_in_and_out_as_png_unchanged(
    store: Store, card: dict[str, Any], keyword: str
) -> None:
    original = png((keyword, encoded(card)))
    id_ = kept(store, original)
    out = files.to_png(store.get(id_), store.picture(id_))
    assert card_in(out, keyword.encode()) == card
    assert pixels(out) == pixels(original)
    other = [one for one in written.chunks(original) if not one[1].startswith(keyword.encode())]
    assert [one for one in written.chunks(out) if not one[1].startswith(keyword.encode())] == other


@pytest.mark.parametrize("card", [V2, V3])
def test_a_card_of_another_editor_goes_in_and_out_as_json_unchanged(
    store: Store, card: dict[str, Any]
) -> None:
    id_ = kept(store, b"\xef\xbb\xbf" + json.dumps(card).encode())
    assert json.loads(files.to_json(store.get(id_))) == card


def test_what_is_edited_changes_and_all_else_of_the_card_stays(store: Store) -> None:
    id_ = kept(store, png(("chara", encoded(V2))))
    character = store.get(id_)
    first = msgspec.structs.replace(character.lore[0], text="It is silent now.")
    edited = msgspec.structs.replace(
        character,
        name="Julia",
        voice="kokoro/af_heart",
        sampling={"temperature": 0.4},
        lore=(first, character.lore[1], LoreEntry(text="New.", keys=("new",))),
    )
    store.update(edited)
    card = json.loads(files.to_json(Store(store._folder).get(id_)))
    wanted = copy.deepcopy(V2)
    wanted["name"] = wanted["data"]["name"] = "Julia"
    wanted["data"]["extensions"]["jackfield"] = {
        "voice": "kokoro/af_heart",
        "sampling": {"temperature": 0.4},
    }
    entries = wanted["data"]["character_book"]["entries"]
    entries[0]["content"] = "It is silent now."
    new = card["data"]["character_book"]["entries"].pop()
    assert (new["content"], new["keys"], new["extensions"]) == ("New.", ["new"], {})
    assert card == wanted
    back = msgspec.structs.replace(
        store.get(id_), name=V2["data"]["name"], voice="", sampling={}, lore=character.lore
    )
    assert cards.write(store.update(back)) == V2


def test_where_a_picture_has_both_cards_the_third_version_is_read() -> None:
    both = png(("chara", encoded(V2)), ("ccv3", encoded(V3)))
    read = files.read_file(both)
    assert read.character.nickname == "Юля"
    out = files.to_png(read.character, read.picture)
    assert b"chara\0" not in out  # the copy for older programs is trimmed


def test_a_card_of_the_first_version_is_taken_with_a_note(store: Store) -> None:
    read = files.read_file(json.dumps(V1).encode())
    assert "first version" in read.notes[0]
    card = cards.write(store.create(read.character))
    assert card["spec"] == "chara_card_v2"
    assert {name: card["data"][name] for name in V1} == V1
    assert card["data"]["extensions"] == {}


def test_what_a_card_of_the_first_version_has_besides_is_kept(store: Store) -> None:
    more = {name: V2["data"][name] for name in ("tags", "creator", "character_book")}
    read = files.read_file(json.dumps({**V1, **more, "avatar": "none"}).encode())
    assert read.character.tags and read.character.lore
    kept = store.create(read.character)
    for name in ("tags", "creator", "lore"):
        assert getattr(kept, name) == getattr(read.character, name)
    assert {name: cards.write(kept)["data"][name] for name in more} == more


def test_a_newer_version_is_taken_with_a_note() -> None:
    read = files.read_file(json.dumps({**V3, "spec_version": "3.7"}).encode())
    assert "3.7" in read.notes[0]


def test_a_card_can_be_written_in_the_other_version() -> None:
    read = files.read_file(json.dumps(V3).encode())
    second = cards.write(read.character, 2)
    assert (second["spec"], second["spec_version"]) == ("chara_card_v2", "2.0")
    texts = [one["content"] for one in second["data"]["character_book"]["entries"]]
    assert texts == [one["content"] for one in written.LOREBOOK["entries"]]  # no decorators
    third = cards.write(files.read_file(json.dumps(V2).encode()).character, 3)
    assert third["data"]["group_only_greetings"] == []
    assert all(entry["use_regex"] is False for entry in third["data"]["character_book"]["entries"])


def charx(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_an_archive_brings_its_card_and_icon_and_says_what_is_not_kept() -> None:
    card = copy.deepcopy(V3)
    path = "assets/icon/images/main.png"
    card["data"]["assets"][0]["uri"] = f"embeded://{path}"
    members = {"card.json": json.dumps(card).encode(), path: png(), "assets/other/x.bin": b"x"}
    read = files.read_file(charx(**members))
    assert read.character.card == card
    assert pixels(read.picture) == pixels(png())
    assert "1 further files" in read.notes[0]


def changed(path: str, value: Any, card: dict[str, Any] = V2) -> bytes:
    made: Any = copy.deepcopy(card)
    *above, last = path.split(".")
    at = made
    for name in above:
        at = at[int(name)] if isinstance(at, list) else at[name]
    at[last] = value
    return json.dumps(made).encode()


WHOLE = png(("chara", encoded(V2)))
PIXELS = b"".join(body for kind, body in written.chunks(WHOLE) if kind == b"IDAT")
NUMBER = "'data.description' is wrong: input should be a valid string (it is 5)"
OURS = {"sampling": {"temperature": 99}}
ENTRY = "data.character_book.entries.1.keys"
ENDLESS = changed("data.tags", [])[:-1] + b', "n": 1e999}'
REFUSED = {
    "nothing at all": (b"", "empty"),
    "a JPEG": (b"\xff\xd8\xff\xe0" + b"x" * 50, "neither a PNG"),
    "a text": (b"Once upon a time", "neither a PNG"),
    "a picture without a card": (png(), "no card in it"),
    "a picture cut off": (WHOLE[:-2000], "damaged"),
    "a wrong checksum": (WHOLE.replace(PIXELS, PIXELS[::-1]), "damaged"),
    "damaged pixels": (
        WHOLE.replace(chunk(b"IDAT", PIXELS), chunk(b"IDAT", b"no pixels")),
        "picture cannot be used",
    ),
    "broken base64": (png(("chara", b"!!!!" + encoded(V2))), "'chara' is not base64"),
    "base64 cut off": (png(("ccv3", encoded(V3)[:-3])), "'ccv3' is not base64"),
    "base64 of no JSON": (png(("chara", b"aGVsbG8=")), "not JSON: Expecting value at line 1"),
    "base64 of no text": (png(("chara", b"//79/A==")), "not UTF-8"),
    "JSON cut off": (json.dumps(V2).encode()[:-1], "not JSON"),
    "a number that is none": (b'{"spec": NaN}', "a number that cannot be kept"),
    "a number without bounds": (ENDLESS, "a number that cannot be kept"),
    "half a character": (b'{"spec": "\\ud800"}', "half a character"),
    "nested too deeply": (b"[" * 200_000, "nested too deeply"),
    "a list": (b"[1, 2]", "a JSON list"),
    "an object that is no card": (b'{"title": "x"}', "no field 'spec'"),
    "another specification": (changed("spec", "chara_card_v9"), "'spec' is \"chara_card_v9\""),
    "a lorebook alone": (b'{"spec": "lorebook_v3", "data": {}}', "lorebook_v3"),
    "no data": (b'{"spec": "chara_card_v2", "spec_version": "2.0"}', "its field 'data'"),
    "no name": (changed("data.name", None), "'data.name' is wrong: field required"),
    "an empty name": (changed("data.name", ""), "'data.name'"),
    "a number for a text": (changed("data.description", 5), NUMBER),
    "a text for a list": (changed("data.tags", "a, b"), "'data.tags'"),
    "a wrong greeting": (changed("data.alternate_greetings", ["a", {}]), "greetings.1'"),
    "a wrong lore entry": (changed(ENTRY, "night"), f"'{ENTRY}'"),
    "a wrong budget": (changed("data.character_book.token_budget", -1), "token_budget"),
    "wrong parameters": (changed("data.extensions.jackfield", OURS), "sampling.temperature'"),
    "an archive that is none": (b"PK\x03\x04" + b"x" * 99, "cannot be unpacked"),
    "an archive without a card": (charx(**{"readme.txt": b"x"}), "no 'card.json'"),
    "an archive that bursts": (charx(**{"card.json": b" " * 30_000_000}), "larger than"),
    "a file that is too big": (b"{" + b" " * files.LARGEST, "the limit is"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_card_is_refused_with_the_reason(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(InvalidRequest) as refused:
        files.read_file(data)
    assert reason in refused.value.message
    assert refused.value.details["param"]


def test_a_character_without_picture_gets_one_in_a_png(store: Store) -> None:
    for name in ("Ada", "星子"):
        id_ = kept(store, json.dumps({**V2, "data": {**V2["data"], "name": name}}).encode())
        out = files.to_png(store.get(id_), store.picture(id_))
        assert card_in(out, b"chara")["data"]["name"] == name
        assert files.read_file(out).picture


def test_a_deleted_character_comes_back_whole(store: Store) -> None:
    id_ = kept(store, png(("chara", encoded(V2))))
    store.delete(id_)
    assert store.all() == {}
    with pytest.raises(NotFound):
        store.get(id_)
    assert kept(store, json.dumps(V2).encode()) == id_
    back = store.restore(id_)
    assert back.id == f"{id_}-2"
    assert cards.write(back) == V2
    assert pixels(store.picture(back.id)) == pixels(png())


def test_characters_of_one_name_get_ids_of_their_own(store: Store) -> None:
    ids = [kept(store, json.dumps({**V1, "name": "Züri Bär!"}).encode()) for _ in range(3)]
    assert ids == ["zuri-bar", "zuri-bar-2", "zuri-bar-3"]


@pytest.mark.parametrize("id_", ["../secret", "trash", ".new-x", "A", "", "a/b", "a" * 65])
def test_an_id_never_leads_out_of_the_folder(store: Store, id_: str) -> None:
    for act in (store.get, store.delete, store.picture, store.restore):
        with pytest.raises(NotFound):
            act(id_)


def test_a_damaged_file_hides_one_character_and_no_other(store: Store, tmp_path: Path) -> None:
    good = kept(store, json.dumps(V1).encode())
    bad = kept(store, json.dumps({**V1, "name": "Bad"}).encode())
    (tmp_path / "characters" / bad / "card.json").write_text("{")
    assert list(store.all()) == [good]
    with pytest.raises(InvalidRequest, match=r"card\.json"):
        store.get(bad)


def test_another_picture_takes_the_place_of_the_old_one(store: Store, tmp_path: Path) -> None:
    id_ = kept(store, png(("chara", encoded(V2))))
    small = store.get(id_).picture
    store.update(store.get(id_), png(width=50, height=50))
    assert store.get(id_).picture != small
    assert len(list((tmp_path / "characters" / id_).iterdir())) == 3
    store.update(store.get(id_), b"")
    assert (store.get(id_).picture, store.picture(id_)) == (b"", b"")
    with pytest.raises(InvalidRequest, match="neither PNG, JPEG nor WebP"):
        store.update(store.get(id_), b"GIF89a")


def test_our_own_characters_are_cards_of_the_third_version() -> None:
    own = Store(Path("nowhere")).own()
    assert "travel-advisor" in own
    assert len(own) >= 6
    for character in own.values():
        assert cards.version_of(character.card) == 3
        assert character.greeting
        assert character.notes
        assert character.sampling
        assert cards.write(character) == character.card
