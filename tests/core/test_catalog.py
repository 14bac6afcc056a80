"""Models on this computer: found, named, kept in mind and removed."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gguf_files import small_gguf
from jackfield.catalog.catalog import Catalog
from jackfield.catalog.model import SIDECAR, CatalogModel, Sidecar
from jackfield.errors import ModelFileError, ModelNotFound, NotPermitted
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.settings_store import SettingsStore
from jackfield_loaders.gguf import Gguf


@pytest.fixture
def store(paths: Paths) -> SettingsStore:
    return SettingsStore(paths)


@pytest.fixture
def plugins(paths: Paths, store: SettingsStore) -> PluginManager:
    manager = PluginManager(paths, store, entry_points=[])
    manager.discover()
    manager.register("gguf", Gguf)
    return manager


@pytest.fixture
def catalog(paths: Paths, store: SettingsStore, plugins: PluginManager) -> Catalog:
    return Catalog(paths, store, plugins)


def names(catalog: Catalog) -> list[str]:
    return [model.name for model in catalog.scan()]


def test_an_empty_data_folder_has_no_models(catalog: Catalog):
    assert catalog.scan() == []


def test_the_starter_model_is_found_and_described(catalog: Catalog, paths: Paths, smollm2: Path):
    (paths.models / smollm2.name).symlink_to(smollm2)
    (model,) = catalog.scan()
    assert model.name == "smollm2-135m-instruct.q4_1"
    assert (model.format, model.size, model.error) == ("gguf", 98_362_432, "")
    assert (model.architecture, model.parameters) == ("llama", 134_515_008)
    assert (model.quantization, model.context_length) == ("Q4_1", 8192)
    assert model.license == "apache-2.0"
    assert model.files.metadata["llama.block_count"] == 30
    assert "im_start" in model.chat_template


def test_only_endings_that_a_loader_opens_are_listed(
    catalog: Catalog, paths: Paths, plugins: PluginManager
):
    small_gguf(paths.models / "a.gguf")
    small_gguf(paths.models / "UPPER.GGUF")
    (paths.models / "notes.txt").write_text("mine")
    assert names(catalog) == ["a", "upper"]
    plugins.disable("gguf")
    assert names(catalog) == []


def test_broken_files_are_listed_with_their_error(catalog: Catalog, paths: Paths, smollm2: Path):
    with smollm2.open("rb") as file:
        (paths.models / "cut.gguf").write_bytes(file.read(60_000_000))
    (paths.models / "page.gguf").write_text("<html>")
    small_gguf(paths.models / "whole.gguf")
    cut, page, whole = catalog.scan()
    assert "truncated: 60.0 of 98.4 MB" in cut.error
    assert cut.size == 60_000_000
    assert "is not a GGUF file" in page.error
    assert whole.error == ""


def test_folders_of_the_settings_are_scanned_with_all_below_them(
    catalog: Catalog, store: SettingsStore, tmp_path: Path
):
    small_gguf(tmp_path / "library" / "people" / "deep" / "one.gguf")
    store.set("model_folders", [str(tmp_path / "library"), str(tmp_path / "missing")])
    assert names(catalog) == ["one"]


def test_links_are_followed_but_loops_and_loose_ends_are_not(
    catalog: Catalog, paths: Paths, tmp_path: Path
):
    small_gguf(tmp_path / "elsewhere" / "linked.gguf")
    (paths.models / "elsewhere").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(paths.models)
    (tmp_path / "elsewhere" / "again").symlink_to(tmp_path / "elsewhere")
    (paths.models / "dangling.gguf").symlink_to(tmp_path / "nowhere.gguf")
    assert names(catalog) == ["linked"]


def test_a_pipe_with_the_name_of_a_model_does_not_stop_the_scan(catalog: Catalog, paths: Paths):
    os.mkfifo(paths.models / "pipe.gguf")
    assert names(catalog) == []


def test_hidden_folders_are_not_scanned(catalog: Catalog, paths: Paths):
    small_gguf(paths.models / ".partial" / "half.gguf")
    assert names(catalog) == []


def test_a_note_beside_a_model_names_it(catalog: Catalog, paths: Paths):
    path = small_gguf(paths.models / "x" / "Long-Name.Q4_1.gguf")
    note = Sidecar(name="short", source="packages", license="MIT")
    (path.parent / SIDECAR).write_bytes(msgspec.json.encode(note))
    (model,) = catalog.scan()
    assert (model.name, model.source, model.license) == ("short", "packages", "MIT")


@pytest.mark.parametrize("note", [b"{", b"[]", b'{"name": 3}', b'{"name": "../../evil"}'])
def test_a_note_that_is_broken_or_hostile_harms_nothing(
    catalog: Catalog, paths: Paths, note: bytes
):
    path = small_gguf(paths.models / "x" / "fine.gguf")
    (path.parent / SIDECAR).write_bytes(note)
    (model,) = catalog.scan()
    assert model.name in ("fine", "evil")


def test_models_of_one_name_are_told_apart_by_their_folders(
    catalog: Catalog, paths: Paths, store: SettingsStore, tmp_path: Path
):
    for place in ("aaa", "b"):
        small_gguf(tmp_path / "more" / place / "same.gguf")
    small_gguf(tmp_path / "more" / "c" / "b" / "same.gguf")
    store.set("model_folders", [str(tmp_path / "more")])
    small_gguf(paths.models / "z" / "same.gguf")
    by_name = {model.name: model.path.parent for model in catalog.scan()}
    assert by_name == {
        "same": paths.models / "z",
        "same-aaa": tmp_path / "more" / "aaa",
        "same-b": tmp_path / "more" / "b",
        "same-b-2": tmp_path / "more" / "c" / "b",
    }


def split(folder: Path, *parts: int) -> None:
    for part in parts:
        small_gguf(folder / f"Big-{part:05}-of-00003.gguf", elements=100)


def test_a_split_model_is_one_model_with_the_size_of_all_parts(catalog: Catalog, paths: Paths):
    split(paths.models, 1, 2, 3)
    (model,) = catalog.scan()
    assert (model.name, model.error, model.parameters) == ("big", "", 300)
    assert model.size == sum(path.stat().st_size for path in paths.models.iterdir())


@pytest.mark.parametrize(("here", "missing"), [((1, 3), 2), ((2, 3), 1), ((3,), 1), ((1, 2), 3)])
def test_the_missing_part_of_a_split_model_is_named(
    catalog: Catalog, paths: Paths, here: tuple[int, ...], missing: int
):
    split(paths.models, *here)
    (model,) = catalog.scan()
    assert f"'Big-0000{missing}-of-00003.gguf'" in model.error


def test_a_split_model_is_whole_as_soon_as_its_last_part_is_there(catalog: Catalog, paths: Paths):
    split(paths.models, 1, 2)
    assert catalog.scan()[0].error
    split(paths.models, 3)
    assert catalog.scan()[0].error == ""


def test_a_truncated_part_of_a_split_model_is_named(catalog: Catalog, paths: Paths):
    split(paths.models, 1, 2, 3)
    os.truncate(paths.models / "Big-00002-of-00003.gguf", 300)
    assert "'Big-00002-of-00003.gguf' is truncated" in catalog.scan()[0].error


def test_a_projector_is_not_a_model(catalog: Catalog, paths: Paths):
    small_gguf(paths.models / "mmproj.gguf", architecture="clip")
    small_gguf(paths.models / "vision.gguf")
    assert names(catalog) == ["vision"]


def test_a_file_is_read_again_only_when_it_changed(
    catalog: Catalog, paths: Paths, monkeypatch: pytest.MonkeyPatch
):
    read: list[Path] = []

    def noting(describe: Callable[[Path], CatalogModel | None]) -> Callable[[Path], object]:
        return lambda path: (read.append(path), describe(path))[1]

    monkeypatch.setattr("jackfield.catalog.catalog.describe", noting(_describe()))
    path = small_gguf(paths.models / "a.gguf")
    small_gguf(paths.models / "b.gguf")
    catalog.scan()
    catalog.scan()
    assert len(read) == 2
    small_gguf(path, elements=300)
    assert catalog.find("a").name == "a"
    assert {model.name: model.parameters for model in catalog.scan()} == {"a": 300, "b": 256}
    assert read[2:] == [path]


def _describe() -> Callable[[Path], CatalogModel | None]:
    from jackfield.catalog.model import describe

    return describe


@pytest.mark.parametrize("word", ["tiny-v2", "TINY-V2", "Tiny-v2.gguf", "tiny-v2.GGUF", "Pet"])
def test_a_model_is_found_by_name_alias_and_file_in_any_case(
    catalog: Catalog, paths: Paths, store: SettingsStore, word: str
):
    small_gguf(paths.models / "Tiny-v2.gguf")
    store.set(("models", "tiny-v2", "alias"), "pet")
    assert catalog.find(word).name == "tiny-v2"


def test_a_name_goes_before_another_models_alias(
    catalog: Catalog, paths: Paths, store: SettingsStore
):
    small_gguf(paths.models / "a.gguf")
    small_gguf(paths.models / "b.gguf")
    store.set(("models", "a", "alias"), "b")
    assert catalog.find("b").path.name == "b.gguf"


def test_an_unknown_model_names_the_nearest(catalog: Catalog, paths: Paths):
    small_gguf(paths.models / "smollm2.gguf")
    small_gguf(paths.models / "other.gguf")
    with pytest.raises(ModelNotFound, match="There is no model 'smolm2'") as caught:
        catalog.find("smolm2")
    assert caught.value.details["nearest"] == "smollm2"
    assert "Did you mean 'smollm2'?" in caught.value.hint


def test_with_no_model_at_all_the_error_says_how_to_get_one(catalog: Catalog):
    with pytest.raises(ModelNotFound) as caught:
        catalog.find("smollm2")
    assert "models pull smollm2" in caught.value.hint
    assert caught.value.details["nearest"] is None


def test_a_model_that_was_just_added_or_deleted_is_noticed_at_once(catalog: Catalog, paths: Paths):
    with pytest.raises(ModelNotFound):
        catalog.find("new")
    path = small_gguf(paths.models / "new.gguf")
    assert catalog.find("new").path == path
    path.unlink()
    with pytest.raises(ModelNotFound):
        catalog.find("new")


def test_a_file_anywhere_can_be_identified(catalog: Catalog, tmp_path: Path):
    path = small_gguf(tmp_path / "there.gguf")
    assert catalog.identify(path).format == "gguf"
    with pytest.raises(ModelFileError, match="There is no file"):
        catalog.identify(tmp_path / "none.gguf")
    (tmp_path / "page.gguf").write_text("<html>")
    with pytest.raises(ModelFileError, match="is not a GGUF file"):
        catalog.identify(tmp_path / "page.gguf")


def test_removing_a_fetched_model_takes_its_folder_away(catalog: Catalog, paths: Paths):
    path = small_gguf(paths.models / "tiny" / "tiny.gguf")
    (path.parent / SIDECAR).write_bytes(msgspec.json.encode(Sidecar(name="tiny")))
    catalog.remove("tiny")
    assert list(paths.models.iterdir()) == []
    assert catalog.scan() == []


def test_removing_leaves_another_model_of_the_same_folder(catalog: Catalog, paths: Paths):
    path = small_gguf(paths.models / "two" / "a.gguf")
    small_gguf(paths.models / "two" / "b.gguf")
    (path.parent / SIDECAR).write_bytes(msgspec.json.encode(Sidecar(name="a")))
    catalog.remove("a")
    assert not path.exists()
    assert [model.path.name for model in catalog.scan()] == ["b.gguf"]


def test_removing_a_model_put_here_by_hand_leaves_what_lies_beside_it(
    catalog: Catalog, paths: Paths
):
    small_gguf(paths.models / "mine" / "a.gguf")
    (paths.models / "mine" / "notes.txt").write_text("keep")
    catalog.remove("a")
    assert [path.name for path in (paths.models / "mine").iterdir()] == ["notes.txt"]


def test_removing_a_split_model_removes_all_its_parts(catalog: Catalog, paths: Paths):
    split(paths.models, 1, 2, 3)
    catalog.remove("big")
    assert list(paths.models.iterdir()) == []


def test_a_model_outside_the_models_folder_is_not_removed(
    catalog: Catalog, paths: Paths, store: SettingsStore, tmp_path: Path
):
    outside = small_gguf(tmp_path / "library" / "mine.gguf")
    behind = small_gguf(tmp_path / "linked" / "far.gguf")
    (paths.models / "link").symlink_to(tmp_path / "linked")
    store.set("model_folders", [str(tmp_path / "library")])
    for name, path in (("mine", outside), ("far", behind)):
        with pytest.raises(NotPermitted, match="outside the models folder"):
            catalog.remove(name)
        assert path.exists()


def test_removing_a_link_to_a_file_removes_the_link_alone(
    catalog: Catalog, paths: Paths, tmp_path: Path
):
    file = small_gguf(tmp_path / "library" / "mine.gguf")
    (paths.models / "mine.gguf").symlink_to(file)
    catalog.remove("mine")
    assert file.exists()
    assert list(paths.models.iterdir()) == []


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", ".", "", "models/../../x"])
def test_a_path_is_not_a_models_name(catalog: Catalog, paths: Paths, name: str):
    small_gguf(paths.home / "secret.gguf")
    with pytest.raises(ModelNotFound):
        catalog.remove(name)
    assert (paths.home / "secret.gguf").exists()


def test_a_scan_of_many_known_files_is_quick(catalog: Catalog, paths: Paths):
    for number in range(300):
        small_gguf(paths.models / f"{number % 10}" / f"m{number}.gguf", elements=8)
    catalog.scan()
    began = time.monotonic()
    assert len(catalog.scan()) == 300
    assert time.monotonic() - began < 2
