import msgspec
import pytest
import typer
from fastapi import APIRouter
from typer.testing import CliRunner

from jackfield import (
    Character,
    ChatTemplate,
    Loader,
    Match,
    ModelSource,
    Page,
    Plugin,
    Translator,
    hookimpl,
)
from jackfield.errors import InvalidRequest
from jackfield.manager import PluginManager
from jackfield.page_check import known_icons
from jackfield.sampling import SamplingPreset
from jackfield.settings_store import SettingsStore


class Echo(Loader):
    name = "echo"

    def probe(self, files):
        return Match(1, "always")

    def estimate(self, files, options):
        raise NotImplementedError

    def load(self, files, options):
        raise NotImplementedError


class Shelf(ModelSource):
    name = "shelf"
    title = "The shelf"

    def offers(self):
        return []

    def fetch(self, offer, folder, progress, cancelled):
        raise NotImplementedError


def page(url_path: str = "extra", **changes) -> Page:
    made = Page(title="Extra", url_path=url_path, icon=":material/star:", draw=print)
    return msgspec.structs.replace(made, **changes)


class Mirror(Translator):
    name = "mirror"
    title = "A mirror"

    def missing(self):
        return ""

    def pairs(self):
        return [("en", "ne")]

    def translate(self, texts, source, target):
        return [text[::-1] for text in texts]


class Supplies(Plugin):
    """One of each."""

    given: tuple = (page(),)

    @hookimpl
    def jackfield_loaders(self):
        return [Echo]

    @hookimpl
    def jackfield_model_sources(self):
        return [Shelf()]

    @hookimpl
    def jackfield_chat_templates(self):
        return [ChatTemplate(name="plain", title="Plain", source=self.context.name)]

    @hookimpl
    def jackfield_sampling_presets(self):
        return [SamplingPreset("calm", "Quiet", {"temperature": 0.1})]

    @hookimpl
    def jackfield_pages(self):
        return self.given

    @hookimpl
    def jackfield_characters(self):
        return [Character(id="ada", name="Ada")]

    @hookimpl
    def jackfield_translators(self):
        return [Mirror()]


@pytest.fixture
def manager(paths) -> PluginManager:
    return PluginManager(paths, SettingsStore(paths), entry_points=[])


def gives(hook: str, given: object) -> type[Plugin]:
    """A plugin whose one hook returns, or raises, what it is given."""

    def method(self):
        if isinstance(given, BaseException):
            raise given
        return given

    return type("Gives", (Plugin,), {f"jackfield_{hook}": hookimpl(method)})


def test_plugins_supply_things_by_name(manager):
    manager.register("a", Supplies)
    assert isinstance(manager.loaders()["echo"], Echo)
    assert isinstance(manager.model_sources()["shelf"], Shelf)
    assert manager.chat_templates()["plain"].source == "a"
    assert manager.sampling_presets()["calm"].params == {"temperature": 0.1}
    assert [(owner, one.url_path) for owner, one in manager.pages()] == [("a", "extra")]
    assert manager.characters()["ada"].name == "Ada"
    assert manager.translators()["mirror"].translate(["ab"], "en", "ne") == ["ba"]
    assert manager.conflicts() == []
    assert manager.loaders()["echo"] is manager.loaders()["echo"]
    manager.disable("a")
    assert manager.loaders() == {}
    assert manager.pages() == []


def test_what_two_plugins_offer_is_asked_about_and_the_answer_kept(paths, manager):
    manager.register("a", Supplies)
    manager.register("b", Supplies)
    whats = ["loader:echo", "source:shelf", "template:plain", "preset:calm", "page:extra"]
    whats += ["character:ada", "translator:mirror"]
    assert [one.what for one in manager.conflicts()] == whats
    assert all(one.owners == ("a", "b") and one.chosen is None for one in manager.conflicts())
    assert manager.loaders() == manager.chat_templates() == manager.sampling_presets() == {}
    assert manager.pages() == []
    for what in whats:
        manager.choose(what, "b")
    assert manager.chat_templates()["plain"].source == "b"
    assert manager.pages()[0][0] == "b"
    assert SettingsStore(paths).value.choices == dict.fromkeys(whats, "b")
    manager.disable("b")
    assert manager.chat_templates()["plain"].source == "a"
    assert manager.conflicts() == []


def test_a_choice_that_is_none_is_refused(manager):
    manager.register("a", Supplies)
    manager.register("b", Supplies)
    with pytest.raises(InvalidRequest, match="does not offer it"):
        manager.choose("template:plain", "c")
    with pytest.raises(InvalidRequest):
        manager.choose("template:other", "a")


@pytest.mark.parametrize(
    ("hook", "given", "words"),
    [
        ("loaders", [3], "not a class derived from jackfield.Loader"),
        ("loaders", [Loader], "abstract"),
        ("loaders", 3, "not iterable"),
        ("loaders", SystemExit(1), "SystemExit"),
        ("model_sources", [Shelf], "not a jackfield.ModelSource"),
        ("chat_templates", ["chatml"], "not a jackfield.ChatTemplate"),
        ("sampling_presets", [SamplingPreset("", "x", {})], "has no name"),
        ("sampling_presets", ValueError("no"), "ValueError: no"),
        ("pages", [3], "not a jackfield.Page"),
        ("pages", [page("a/b")], "lower-case letters"),
        ("pages", [page("Extra")], "lower-case letters"),
        ("pages", [page("")], "lower-case letters"),
        ("pages", [page("plugins")], "built-in page"),
        ("pages", [page(icon="⭐")], ":material/name:"),
        ("pages", [page(icon=":material/no_such_icon:")], "no Material icon 'no_such_icon'"),
        ("pages", [page(title=" ")], "no title"),
        ("pages", [page(draw=None)], "cannot be drawn"),
        ("pages", [page(), page()], "twice"),
    ],
)
def test_a_bad_thing_is_its_plugins_error_and_nobody_elses(manager, hook, given, words):
    manager.register("bad", gives(hook, given))
    manager.register("good", Supplies)
    if words == "twice":
        manager.unregister("good")
    for ask in (
        manager.loaders,
        manager.model_sources,
        manager.chat_templates,
        manager.sampling_presets,
        manager.pages,
    ):
        assert ask() or words == "twice"
    assert words in manager.record("bad").error


def test_the_good_things_of_a_plugin_with_a_bad_one_are_taken(manager):
    manager.register("half", gives("pages", [page("one"), page("a/b"), page("two")]))
    assert [one.url_path for _, one in manager.pages()] == ["one", "two"]
    assert manager.record("half").state == "enabled"


def test_icons_are_known_without_importing_streamlit():
    assert {"star", "bar_chart", "chat"} <= known_icons()
    assert len(known_icons()) > 2000


def test_commands_are_added_and_none_takes_anothers_place(manager):
    class Adds(Plugin):
        @hookimpl
        def jackfield_commands(self, cli):
            @cli.command()
            def hello():
                typer.echo("hello")

    class Takes(Plugin):
        @hookimpl
        def jackfield_commands(self, cli):
            cli.command("serve")(lambda: typer.echo("mine now"))

    class Breaks(Plugin):
        @hookimpl
        def jackfield_commands(self, cli):
            cli.command("half")(lambda: None)
            raise ValueError("half-way")

    cli = typer.Typer()
    cli.command("serve")(lambda: typer.echo("the real one"))
    manager.register("adds", Adds)
    manager.register("breaks", Breaks)
    manager.register("takes", Takes)
    manager.commands(cli, None)
    assert CliRunner().invoke(cli, ["hello"]).output == "hello\n"
    assert CliRunner().invoke(cli, ["serve"]).output == "the real one\n"
    assert CliRunner().invoke(cli, ["half"]).exit_code == 2
    assert "'serve' already" in manager.record("takes").error
    assert "half-way" in manager.record("breaks").error


def test_routes_are_given_with_their_plugins_names(manager):
    router = APIRouter()
    manager.register("good", gives("routes", router))
    manager.register("odd", gives("routes", "/path"))
    manager.register("none", gives("routes", None))
    manager.register("raises", gives("routes", ValueError("no routes")))
    assert manager.routes() == [("good", router)]
    assert "neither a fastapi.APIRouter" in manager.record("odd").error
    assert "no routes" in manager.record("raises").error
