"""What authors and keepers of plugins type, and what else no other test of the verbs types."""

import json
from pathlib import Path

import pytest

from installation import Installation
from jackfield.testing import fake_model


@pytest.fixture
def home(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "home")
    made.add_fake_loader()
    return made


def checked(home, *words: str) -> dict[str, dict[str, str]]:
    done = home.run("plugins", "check", *words, "--json")
    assert done.stderr == ""
    results = {f"{one['subject']}: {one['check']}": one for one in json.loads(done.stdout)}
    failed = any(one["outcome"] == "failed" for one in results.values())
    assert done.returncode == failed
    return results


def test_a_loose_loader_is_checked_on_a_model(home):
    model = fake_model(home.paths.models, "parrot", replies=["one two three four five six"])
    results = checked(home, "fake", "--model", str(model), "--option", "n_ctx=128")
    loader = [one for name, one in results.items() if name.startswith("loader fake: ")]
    assert len(loader) > 40
    assert {one["outcome"] for one in loader} == {"passed", "failed", "not claimed"}
    # It has one reply, of six words: the seed changes nothing, and it claims no embeddings.
    assert "gave one text" in results["loader fake: a seed repeats the reply"]["reason"]
    vectors = results["loader fake: embeddings have length one"]
    assert (vectors["outcome"], vectors["reason"]) == ("not claimed", "embedding")


def test_a_good_loader_passes_on_the_sample_that_it_makes_itself(home):
    tests = Path(__file__).parents[1]
    (home.paths.plugins / "babble.py").write_text(
        f"import sys\nsys.path.append({str(tests)!r})\n"
        "from babbler import BabblerPlugin\n\n\n"
        'class Babble(BabblerPlugin):\n    """Opens babblers."""\n'
    )
    results = checked(home, "babble")
    assert {name for name, one in results.items() if one["outcome"] == "failed"} == set()
    assert len(results) > 50
    shown = home.run("plugins", "check", "babble")
    assert shown.returncode == 0
    assert f"{len(results)} passed, 0 failed, 0 not claimed" in shown.stdout


@pytest.mark.parametrize("name", ["remote", "autogptq"])
def test_without_a_model_a_loader_is_not_claimed_and_gets_no_environment(home, name):
    results = checked(home, name)
    (loader,) = [one for one in results.values() if one["subject"] == f"loader {name}"]
    assert (loader["check"], loader["outcome"]) == ("opens a model", "not claimed")
    assert "give one with --model" in loader["reason"]
    assert {one["outcome"] for one in results.values() if one is not loader} == {"passed"}
    assert not home.paths.environments.exists()


def test_a_loader_that_cannot_load_fails_its_check_without_a_traceback(home):
    model = fake_model(home.paths.models, "bad", crash_on_load="raise")
    done = home.run("plugins", "check", "fake", "--model", str(model))
    assert done.returncode == 1
    assert "RuntimeError: told to fail" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_plugin_that_cannot_be_imported_says_so_when_it_is_checked(home):
    (home.paths.plugins / "broken_one.py").write_text("import nothing_of_that_name\n")
    done = home.run("plugins", "check", "broken-one")
    assert done.returncode == 1
    assert "nothing_of_that_name" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_new_plugin_is_written_once_and_never_over_another(home, tmp_path):
    words = ("plugins", "new", "shouting", "--folder", str(tmp_path))
    assert home.run(*words).returncode == 0
    folder = tmp_path / "jackfield-shouting"
    assert (folder / "pyproject.toml").is_file()
    (folder / "pyproject.toml").write_text("mine")
    again = home.run(*words)
    assert again.returncode in (1, 2) and str(folder) in again.stderr
    assert (folder / "pyproject.toml").read_text() == "mine"
    assert home.run("plugins", "new", "Bad Name", "--folder", str(tmp_path)).returncode == 2


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("install", "./nowhere", "--yes"), 2, "There is nothing at './nowhere'"),
        (("install", "--yes", "--", "-r evil"), 2, "is not something to install"),
        (("uninstall", "gguf", "--yes"), 1, "comes with Jackfield"),
        (("uninstall", "nobody", "--yes"), 1, "There is no plugin 'nobody'"),
        (("uninstall", "fake"), 1, "Add --yes"),
        (("order", "nobody"), 1, "There is no plugin 'nobody'"),
        (("choose", "loader:gguf", "fake"), 2, "does not offer it"),
        (("configure", "limits", "reply_tokens"), 1, "NAME=VALUE"),
        (("check", "nobody"), 1, "There is no plugin 'nobody'"),
        (("show", "nobody"), 1, "There is no plugin 'nobody'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_one_message(home, words, code, told):
    done = home.run("plugins", *words)
    assert told in done.stderr
    assert done.returncode == code
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert (home.paths.plugins / "fake.py").exists()


def test_plugins_run_in_the_order_that_was_typed(home):
    assert home.run("plugins", "order", "usage", "fake").returncode == 0
    listed = [one["name"] for one in json.loads(home.run("plugins", "list", "--json").stdout)]
    assert listed[:2] == ["usage", "fake"]


def test_the_memory_of_a_model_is_estimated_before_it_is_loaded(home):
    fake_model(home.paths.models, "parrot", memory=100_000_000)
    told = json.loads(home.run("models", "estimate", "parrot", "--json").stdout)
    assert told["needed"]["weights"] == 100_000_000
    assert told["total"] == sum(told["needed"][one] for one in ("weights", "kv_cache", "overhead"))
    refused = home.run("models", "estimate", "parrot", "--loader", "nobody")
    assert refused.returncode == 2 and " fake, gguf," in refused.stderr


def test_turns_are_counted_by_model(home):
    fake_model(home.paths.models, "parrot")
    assert json.loads(home.run("usage", "--json").stdout) == []
    home.run("run", "parrot", "hello")
    (counted,) = json.loads(home.run("usage", "--json").stdout)
    assert counted["model"] == "parrot"


def test_an_error_is_not_broken_into_lines_when_nobody_looks(home):
    done = home.run("run", "a-model-with-quite-a-long-name-" * 6, "hello")
    assert done.stderr.splitlines()[0].startswith("Error: There is no model 'a-model")
    assert done.stderr.splitlines()[0].endswith("'.")
