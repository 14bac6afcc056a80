import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pydantic import BaseModel

from jackfield.errors import SettingsError
from jackfield.paths import Paths
from jackfield.settings import Settings
from jackfield.settings_store import SettingsStore


@pytest.fixture
def store(paths: Paths) -> SettingsStore:
    return SettingsStore(paths)


def all_fields(model: type[BaseModel], prefix: str = ""):
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from all_fields(inner, f"{prefix}{name}.")


def child(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_without_a_file_the_defaults_are_in_force_and_nothing_is_written(paths, store):
    assert store.value == Settings()
    assert not paths.settings.exists()


def test_every_setting_has_a_default_and_all_but_sections_have_help():
    for name, field in all_fields(Settings):
        assert not field.is_required(), name
        is_section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        assert is_section or field.description, f"{name} has no description"


def test_a_setting_is_kept_for_the_next_process(paths, store):
    store.set("server.port", 7900)
    assert SettingsStore(paths).value.server.port == 7900


def test_only_what_differs_from_the_defaults_is_written(paths, store):
    store.set("server.port", 7860)
    store.set("offline", True)
    assert paths.settings.read_text() == "offline = true\n"


def test_comments_and_layout_stay(paths):
    paths.settings.write_text(
        "# mine\noffline = false # for now\n\n[server]\n# the old one was 7860\nport = 7_900\n"
    )
    store = SettingsStore(paths)
    store.set("offline", True)
    store.set("server.open_browser", False)
    text = paths.settings.read_text()
    for kept in ("# mine\n", "offline = true # for now", "# the old one was 7860\nport = 7_900\n"):
        assert kept in text
    assert store.value.server.open_browser is False
    assert store.value.server.port == 7900


def test_a_default_written_over_another_value_keeps_its_comment(paths):
    paths.settings.write_text("[server]\nport = 8000 # because\n")
    SettingsStore(paths).set("server.port", 7860)
    assert paths.settings.read_text() == "[server]\nport = 7860 # because\n"


def test_tables_that_are_not_in_order_can_be_changed(paths):
    paths.settings.write_text(
        '[plugins.a.config]\nx = 1\n\n[server]\nport = 1\n\n[plugins."b.c"]\nenabled = false\n'
    )
    store = SettingsStore(paths)
    store.set(("plugins", "a", "config"), {"x": 2, "y": [1, 2], "z": None})
    store.set('plugins."b.c".enabled', True)
    value = SettingsStore(paths).value
    assert value.plugins["a"].config == {"x": 2, "y": [1, 2]}
    assert value.plugins["b.c"].enabled is True
    assert value.server.port == 1


def test_a_text_is_written_in_the_type_of_its_setting(paths, store):
    store.set("server.port", "7901")
    assert "port = 7901" in paths.settings.read_text()


def test_a_setting_can_be_returned_to_its_default(paths, store):
    store.set("server.port", 7900)
    store.unset("server.port")
    assert store.value.server.port == 7860
    assert "port" not in paths.settings.read_text()
    store.unset("models.nobody.alias")


def test_several_settings_are_changed_together_or_not_at_all(paths, store):
    with pytest.raises(SettingsError):
        store.update([("offline", True), ("server.port", 0)])
    assert store.value == Settings()
    assert not paths.settings.exists()


def test_a_value_out_of_bounds_is_refused_with_its_field_and_nothing_changes(paths, store):
    store.set("server.port", 7900)
    before = paths.settings.read_text()
    with pytest.raises(SettingsError) as caught:
        store.set("server.port", 70_000)
    assert "70000" in caught.value.message
    assert list(caught.value.details["errors"]) == ["server.port"]
    assert paths.settings.read_text() == before
    assert store.value.server.port == 7900


@pytest.mark.parametrize("key", ["chat.sampling", ("models", "m", "sampling")])
def test_sampling_parameters_are_checked_by_their_own_bounds(store, key):
    with pytest.raises(SettingsError, match="temperature: "):
        store.set(key, {"temperature": 99})
    with pytest.raises(SettingsError, match="temprature: "):
        store.set(key, {"temprature": 1})
    store.set(key, {"temperature": 1.5, "max_tokens": None, "stop": ["x"]})
    store.set("chat.sampling.top_k", 3)
    assert store.value.chat.sampling["top_k"] == 3


def test_an_unknown_setting_is_refused_with_the_nearest_name(store):
    with pytest.raises(SettingsError) as caught:
        store.set("server.prot", 1)
    assert caught.value.hint == "Did you mean 'server.port'?"


@pytest.mark.parametrize("key", ["", ".", "server..port", "models.a\nb.alias"])
def test_a_key_that_is_none_is_refused(store, key):
    with pytest.raises(SettingsError):
        store.set(key, 1)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("offline = true\nport = = 3\n", 2, 8),
        ('offline = "', 1, 12),
        ("[server]\nport = 99999\n", 2, 1),
        ("[server]\nprot = 1\n", 2, 1),
        ("[sever]\nport = 1\n", 1, 1),
        ('[plugins."a.b"]\n  enabled = "perhaps"\n', 2, 3),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_place_and_left_alone(
    paths, text, line, column
):
    paths.settings.write_text(text)
    with pytest.raises(SettingsError) as caught:
        SettingsStore(paths)
    assert (caught.value.details["line"], caught.value.details["column"]) == (line, column)
    assert f"line {line}, column {column}" in caught.value.message
    assert "jackfield config reset" in caught.value.hint
    assert paths.settings.read_text() == text


def test_bytes_that_are_no_text_are_refused_with_the_place(paths):
    paths.settings.write_bytes(b"offline = true\n# caf\xe9\n")
    with pytest.raises(SettingsError) as caught:
        SettingsStore(paths)
    assert (caught.value.details["line"], caught.value.details["column"]) == (2, 6)


def test_a_file_broken_while_running_leaves_the_last_good_settings_and_is_not_overwritten(
    paths, store
):
    store.set("server.port", 7900)
    paths.settings.write_text("[server\n")
    assert store.value.server.port == 7900
    assert store.problem is not None
    with pytest.raises(SettingsError):
        store.set("offline", True)
    assert paths.settings.read_text() == "[server\n"
    paths.settings.write_text("offline = true\n")
    assert store.value.offline is True
    assert store.problem is None


def test_reset_sets_a_broken_file_aside_whole(paths):
    paths.settings.write_text("= broken")
    first = SettingsStore.reset(paths)
    paths.settings.write_text("= broken again")
    second = SettingsStore.reset(paths)
    assert first.read_text() == "= broken"
    assert second.read_text() == "= broken again"
    assert SettingsStore(paths).value == Settings()
    with pytest.raises(SettingsError):
        SettingsStore.reset(paths)


def test_what_another_process_changes_is_seen(paths, store):
    store.set("server.port", 7900)
    SettingsStore(paths).set("server.port", 7901)
    assert store.value.server.port == 7901


def test_threads_and_processes_writing_at_once_lose_nothing(paths, store):
    code = (
        "import sys; from pathlib import Path; from jackfield.paths import Paths; "
        "from jackfield.settings_store import SettingsStore; "
        "store = SettingsStore(Paths(Path(sys.argv[1]))); "
        "[store.set(('choices', f'process:{i}'), 'x') for i in range(10)]"
    )
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(child(code, paths.home).returncode)),
        *(
            threading.Thread(
                target=lambda n=n: [store.set(("choices", f"{n}:{i}"), "x") for i in range(10)]
            )
            for n in ("one", "two")
        ),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [0]
    assert len(SettingsStore(paths).value.choices) == 30


def test_a_disk_that_is_full_leaves_the_old_file_whole(paths, store):
    store.set("server.port", 7900)
    code = (
        "import resource, sys; from pathlib import Path; from jackfield.paths import Paths; "
        "from jackfield.errors import SettingsError; "
        "from jackfield.settings_store import SettingsStore\n"
        "store = SettingsStore(Paths(Path(sys.argv[1])))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: store.set('chat.agent_description', 'x' * 100_000)\n"
        "except SettingsError as error: print(error.message)\n"
    )
    shown = child(code, paths.home)
    assert "could not be written" in shown.stdout, shown.stderr
    assert SettingsStore(paths).value.server.port == 7900
    assert not list(paths.home.glob(".settings*"))


def test_a_text_that_no_file_can_hold_is_refused_and_leaves_nothing_behind(paths, store):
    store.set("server.port", 80)
    before = sorted(paths.home.iterdir())
    with pytest.raises(SettingsError, match="half a character"):
        store.set("chat.agent_description", "\ud800")
    assert store.value.chat.agent_description == ""
    assert sorted(paths.home.iterdir()) == before


def test_a_linked_file_stays_a_link_and_permissions_stay(paths, tmp_path: Path):
    elsewhere = tmp_path / "dotfiles.toml"
    elsewhere.write_text("offline = true\n")
    elsewhere.chmod(0o600)
    paths.settings.symlink_to(elsewhere)
    SettingsStore(paths).set("server.port", 7900)
    assert paths.settings.is_symlink()
    assert "7900" in elsewhere.read_text()
    assert elsewhere.stat().st_mode & 0o777 == 0o600


def test_secrets_are_kept_apart_and_only_the_owner_can_read_them(paths, store):
    store.set_secret("weather", "key", "sesame-123")
    store.set("offline", True)
    assert paths.secrets.stat().st_mode & 0o777 == 0o600
    assert SettingsStore(paths).secret("weather", "key") == "sesame-123"
    assert "sesame-123" not in paths.settings.read_text()
    assert "sesame-123" not in repr(store) + repr(store.value) + str(vars(store))
    store.set_secret("weather", "key", "")
    assert store.secret("weather", "key") == ""


def test_a_secret_that_was_readable_by_others_is_closed_when_written(paths, store):
    paths.secrets.write_text("")
    paths.secrets.chmod(0o644)
    store.set_secret("weather", "key", "x")
    assert paths.secrets.stat().st_mode & 0o777 == 0o600


def test_the_server_makes_its_own_key_once(paths, store):
    key = store.server_secret("admin")
    assert len(key) >= 32
    assert SettingsStore(paths).server_secret("admin") == key
    assert store.server_secret("other") != key


def test_a_plugin_called_server_cannot_read_the_servers_key(store):
    key = store.server_secret("admin")
    assert key not in (store.secret("server", "admin"), store.secret("server", "keys"))


def test_a_broken_secrets_file_is_refused_without_showing_what_is_in_it(paths, store):
    paths.secrets.write_text('[plugins.weather]\nkey = "sesame\n')
    with pytest.raises(SettingsError) as caught:
        store.secret("weather", "key")
    assert "line 2" in caught.value.message
    assert "sesame" not in str(caught.value)
