"""What is saved for single models: checked, changed, forgotten, and used on the command line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from installation import Installation
from jackfield.application import Application
from jackfield.errors import InvalidRequest, ModelNotFound
from jackfield.messages import message
from jackfield.paths import Paths
from jackfield.pipeline import Turn
from jackfield.settings import ModelSettings
from jackfield.testing import FakePlugin, fake_adapter, fake_model
from keyed_loader import Keyed


@pytest.fixture
def app(paths: Paths) -> Iterator[Application]:
    app = Application(paths, entry_points=[])
    app.plugins.register("fake", FakePlugin)
    app.plugins.register("keyed", Keyed)
    fake_model(paths.models, "parrot", lora=True)
    fake_model(paths.models, "owl")
    yield app
    app.plugins.unregister("keyed")
    app.plugins.unregister("fake")


def wrong(app: Application, **changes: object) -> dict[str, str]:
    """What is refused, by field; nothing may be saved."""
    before = app.settings.value.models
    with pytest.raises(InvalidRequest) as refusal:
        app.model_settings.change("parrot", changes)
    assert app.settings.value.models == before
    return refusal.value.details["errors"]


def test_single_fields_are_changed_and_unset_and_the_rest_stays(app: Application):
    saved = app.model_settings
    saved.change("parrot", {"alias": "polly", "sampling": {"temperature": 0.2, "top_k": 5}})
    saved.change("polly", {"options": {"n_ctx": 128}, "sampling": {"top_k": None}})
    kept = saved.get("POLLY")
    assert (kept.alias, kept.options, kept.sampling) == (
        "polly",
        {"n_ctx": 128},
        {"temperature": 0.2},
    )
    saved.change("parrot", {"alias": None, "sampling": None})
    assert saved.get("parrot") == ModelSettings(options={"n_ctx": 128})
    saved.change("parrot", {"options": {"n_ctx": None}})
    assert app.settings.value.models == {}


def test_replacing_leaves_nothing_else_and_forgetting_can_be_undone(app: Application):
    saved = app.model_settings
    saved.change("parrot", {"alias": "polly", "system_prompt": "You are a parrot."})
    saved.replace("parrot", {"template": "arrows", "loader": "fake"})
    assert saved.get("parrot") == ModelSettings(template="arrows", loader="fake")
    before = saved.forget("parrot")
    assert app.settings.value.models == {}
    saved.restore("parrot", before)
    assert saved.get("parrot") == before


def test_another_process_sees_what_was_saved_at_once(app: Application, paths: Paths):
    other = Application(paths, entry_points=[])
    other.plugins.register("fake", FakePlugin)
    assert other.model_settings.get("parrot") == ModelSettings()
    app.model_settings.change("parrot", {"alias": "polly"})
    assert other.model_settings.get("polly").alias == "polly"
    other.plugins.unregister("fake")


@pytest.mark.parametrize("alias", ["owl", "OWL", "owl.fake"])
def test_an_alias_is_no_other_models_name(app: Application, alias: str):
    assert "already names the model 'owl'" in wrong(app, alias=alias)["alias"]


def test_an_alias_is_no_other_models_alias_and_one_line(app: Application):
    app.model_settings.change("owl", {"alias": "Minerva"})
    assert "'owl'" in wrong(app, alias="minerva")["alias"]
    assert "one line" in wrong(app, alias="two\nlines")["alias"]
    app.model_settings.change("parrot", {"alias": "  polly "})
    assert app.model_settings.get("parrot").alias == "polly"
    assert app.model_settings.change("parrot", {"alias": "Parrot"}).alias == ""


def test_a_loader_must_be_there_and_open_the_model(app: Application):
    assert "There is no loader 'nil'" in wrong(app, loader="nil")["loader"]


def test_options_are_those_of_the_loader_and_told_by_field(app: Application):
    assert set(wrong(app, options={"n_ctx": -1, "speed": 3})) == {"options.n_ctx", "options.speed"}
    assert "secret" in wrong(app, loader="keyed", options={"key": "abc"})["options.key"]


def test_another_loader_keeps_the_options_that_it_takes_as_well(app: Application):
    app.model_settings.change("parrot", {"options": {"n_ctx": 99, "answer": "upper case"}})
    assert app.model_settings.change("parrot", {"loader": "keyed"}).options == {"n_ctx": 99}


def test_all_that_is_wrong_is_told_at_once(app: Application):
    found = wrong(
        app, template="nil", sampling={"temperature": 9, "heat": 1}, adapters=[{"path": "nil"}]
    )
    assert set(found) == {"sampling.temperature", "sampling.heat", "template", "adapters"}
    assert set(wrong(app, colour="red")) == {"colour"}
    assert set(wrong(app, variant_of="owl")) == {"variant_of"}
    with pytest.raises(ModelNotFound, match="parot"):
        app.model_settings.change("parot", {"alias": "a"})


def test_what_became_wrong_without_being_touched_does_not_stop_other_changes(app: Application):
    app.model_settings.change("parrot", {"loader": "keyed", "template": "arrows"})
    app.plugins.unregister("keyed")
    assert app.model_settings.change("parrot", {"alias": "polly"}).loader == "keyed"
    app.plugins.register("keyed", Keyed)


def test_adapters_are_found_by_name_and_by_path(app: Application, tmp_path: Path):
    fake_adapter(app.paths.adapters, "pirate", says="Arr! ")
    elsewhere = fake_adapter(tmp_path / "own", "bard", says="Hark! ")
    adapters = [{"path": "pirate"}, {"path": str(elsewhere), "scale": 0.5}]
    app.model_settings.change("parrot", {"adapters": adapters})
    assert [one.scale for one in app.model_settings.get("parrot").adapters] == [1.0, 0.5]


def test_adapter_folders_are_listed_as_such_and_not_as_models(app: Application):
    fake_adapter(app.paths.models, "pirate", says="Arr! ")
    broken = fake_adapter(app.paths.adapters, "broken", says="")
    (broken / "adapter_model.bin").unlink()
    one, other = app.catalog.adapters()
    assert (one.name, "no weights" in one.error) == ("broken", True)
    assert (other.name, other.base, other.rank, other.error) == ("pirate", "fake", 1, "")
    assert [model.name for model in app.catalog.scan()] == ["owl", "parrot"]


def test_a_chat_of_the_dashboard_uses_all_that_is_saved(app: Application):
    """The dashboard hands its turns to the same jobs that are used here."""
    fake_adapter(app.paths.adapters, "pirate", says="Arr! ")
    app.model_settings.change(
        "parrot",
        {
            "alias": "polly",
            "loader": "keyed",
            "options": {"n_ctx": 200},
            "template": "arrows",
            "system_prompt": "Be loud.",
            "sampling": {"max_tokens": 3},
            "adapters": [{"path": "pirate"}],
        },
    )
    with app.in_thread():
        turn = Turn(model="polly", messages=[message("user", "hello")], origin="dashboard")
        for _ in app.jobs.start(turn).follow():
            pass
        resident = app.engine.resident("parrot")
        trace = app.traces.get(turn.id)
    assert resident is not None and resident.info is not None, resident.error
    assert (resident.loader, resident.info.context_length) == ("keyed", 200)
    assert [one.path.name for one in resident.adapters] == ["pirate"]
    assert (trace.model, trace.template, trace.sampling["max_tokens"]) == ("parrot", "arrows", 3)
    assert trace.prompt == "system> Be loud.\nuser> hello\n"


@pytest.fixture
def home(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "home")
    made.add_fake_loader()
    fake_model(made.paths.models, "parrot", lora=True, replies=["prompt"])
    return made


def test_the_command_line_saves_shows_and_uses_settings(home: Installation):
    fake_adapter(home.paths.adapters, "pirate", says="Arr! ")
    done = home.run(
        *("models", "set", "parrot", "--alias", "polly", "--loader", "fake"),
        *("--option", "n_ctx=300", "--option", "answer=upper case", "--template", "plain"),
        *("--system-prompt", "You are a parrot.", "--sampling", "max-tokens=40"),
        *("--sampling", "temperature=0", "--adapter", "pirate=2", "--json"),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["options"] == {"n_ctx": 300, "answer": "upper case"}
    assert told["sampling"] == {"max_tokens": 40, "temperature": 0}
    assert told["adapters"] == [{"path": "pirate", "scale": 2.0}]
    shown = home.run("models", "settings", "polly").stdout
    assert "alias = polly" in shown and "options.n_ctx = 300" in shown
    answer = json.loads(home.run("run", "polly", "hello", "--json").stdout)
    assert answer["text"].startswith("ARR! ARR! YOU ARE A PARROT.")
    assert answer["usage"]["completion_tokens"] <= 40
    done = home.run(
        "models", "set", "parrot", "--unset", "options.n_ctx", "--unset", "adapters",
        "--unset", "sampling", "--json",
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert (told["options"], told["sampling"], told["adapters"]) == (
        {"answer": "upper case"},
        {},
        [],
    )


def test_the_command_line_says_what_there_is(home: Installation):
    done = home.run("models", "set", "parrot", "--loader", "nil")
    assert done.returncode == 2 and "fake" in done.stderr
    done = home.run("models", "set", "parrot", "--sampling", "heat=2")
    assert "sampling.heat: there is none" in done.stderr and "temperature" in done.stderr
    done = home.run("models", "set", "parrot", "--unset", "colour")
    assert "There are: alias, loader" in done.stderr
    assert "Nothing is named" in home.run("models", "set", "parrot").stderr
    assert "Nothing is saved" in home.run("models", "settings", "parrot").stderr


def test_the_command_line_attaches_adapters_in_a_running_server(home: Installation):
    fake_adapter(home.paths.adapters, "pirate", says="Arr! ")
    assert "No server is running" in home.run("models", "adapters", "parrot", "pirate").stderr
    (listed,) = json.loads(home.run("models", "adapters", "--json").stdout)
    assert (listed["name"], listed["base"]) == ("pirate", "fake")
    with home.serving():
        assert home.run("models", "load", "parrot").returncode == 0
        done = home.run("models", "adapters", "parrot", "pirate=2", "--json")
        assert [one["scale"] for one in json.loads(done.stdout)] == [2.0]
        assert "pirate = 2" in home.run("models", "adapters", "parrot").stdout
        done = home.run("models", "adapters", "parrot", "--none")
        assert "no LoRA adapter attached" in done.stderr
