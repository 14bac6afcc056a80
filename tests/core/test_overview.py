"""``jackfield --help`` imports only the plugins that add verbs, and is never out of date."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

VERB = '''
    @hookimpl
    def jackfield_commands(self, cli):
        @cli.command("{name}")
        def verb(often: int = 1) -> None:
            """Says {name}."""
'''
REPLY = """
    @hookimpl
    def jackfield_transform_reply(self, reply):
        return reply
"""
LOOK = (
    "import json, sys\nfrom jackfield.cli import main\ntry:\n    main(['--help'])\n"
    "finally:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
)


class Computer:
    """A data folder and a folder of installed distributions."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.site = folder / "site"
        self.site.mkdir()

    def install(self, name: str, *bodies: str, site: Path | None = None, base: str = "") -> None:
        """One distribution with one plugin, whose version is always 1.0."""
        site = site or self.site
        about = site / f"{name}-1.0.dist-info"
        about.mkdir(parents=True, exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[jackfield]\n{name} = {name}:Installed\n")
        self.write(name, *bodies, site=site, base=base)

    def write(self, name: str, *bodies: str, site: Path | None = None, base: str = "") -> None:
        """The code of a plugin."""
        imported = f"from {base} import Installed as Base" if base else "Base = Plugin"
        text = f"from jackfield import Plugin, hookimpl\n{imported}\nclass Installed(Base):\n"
        ((site or self.site) / f"{name}.py").write_text(text + "    pass\n" + "".join(bodies))

    def help(self, *sites: Path, code: str = LOOK) -> tuple[str, set[str]]:
        """What ``jackfield --help`` says, and the modules that were imported for it."""
        path = os.pathsep.join(map(str, sites or [self.site]))
        environment = os.environ | {"PYTHONPATH": path, "JACKFIELD_HOME": str(self.home)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture
def computer(tmp_path):
    return Computer(tmp_path)


def test_the_second_time_only_plugins_that_add_verbs_are_imported(computer):
    computer.install("quiet_one", REPLY)
    computer.install("loud_one", VERB.format(name="shout"))
    first, imported = computer.help()
    assert {"quiet_one", "loud_one"} <= imported
    second, imported = computer.help()
    assert "loud_one" in imported
    assert "quiet_one" not in imported
    assert first == second
    assert "Says shout." in second


def test_the_list_of_verbs_imports_nothing_that_only_running_needs(computer):
    computer.help()
    _, imported = computer.help()
    heavy = {"psutil", "filelock", "packaging.requirements", "anyio.from_thread", "sqlalchemy"}
    assert not heavy & imported
    assert "jackfield_loaders.gguf" not in imported
    assert "jackfield_plugins.hub" not in imported


def test_a_plugin_edited_in_place_shows_its_new_verb_at_once(computer):
    computer.install("growing", REPLY)
    computer.help()
    assert "growing" not in computer.help()[1]
    computer.write("growing", REPLY, VERB.format(name="grown"))
    assert "Says grown." in computer.help()[0]
    computer.write("growing", REPLY)
    assert "Says grown." not in computer.help()[0]


def test_a_verb_that_a_base_class_of_another_package_gains_is_seen(computer):
    computer.write("ground", REPLY)
    computer.install("derived", base="ground")
    computer.help()
    assert "derived" not in computer.help()[1]
    computer.write("ground", VERB.format(name="inherited"))
    assert "Says inherited." in computer.help()[0]


def test_the_same_version_in_another_folder_is_another_plugin(computer, tmp_path):
    computer.install("twin", REPLY)
    computer.help()
    assert "twin" not in computer.help()[1]
    other = tmp_path / "other"
    computer.install("twin", VERB.format(name="elsewhere"), site=other)
    assert "Says elsewhere." in computer.help(other)[0]


def test_a_loose_file_edited_in_place_shows_its_new_verb_at_once(computer):
    plugins = computer.home / "plugins"
    plugins.mkdir(parents=True)
    computer.write("loose_one", REPLY, site=plugins)
    computer.help()
    assert "jackfield_loose_loose_one" not in computer.help()[1]
    computer.write("loose_one", VERB.format(name="loosened"), site=plugins)
    assert "Says loosened." in computer.help()[0]


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"quiet_one": {"marks": 1}}', b"\xff\x00"])
def test_broken_notes_are_dropped_and_the_list_is_whole(computer, damage):
    computer.install("quiet_one", REPLY)
    computer.install("loud_one", VERB.format(name="shout"))
    whole, _ = computer.help()
    (computer.home / "plugin-cards.json").write_bytes(damage)
    assert computer.help()[0] == whole
    assert "quiet_one" not in computer.help()[1]


def test_a_full_start_after_the_list_loads_every_plugin_and_keeps_the_notes(computer):
    computer.install("quiet_one", REPLY)
    computer.help()
    full = (
        "import json, sys\nfrom jackfield.application import Application\n"
        "app = Application.create(only='jackfield_commands')\n"
        "assert app.plugins.record('quiet_one').state == 'enabled'\n"
        "assert 'quiet_one' not in sys.modules\napp.plugins.discover()\n"
        "assert app.plugins.plugin('quiet_one')\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    assert "quiet_one" in computer.help(code=full)[1]
    assert "quiet_one" not in computer.help()[1]


def test_the_list_says_what_the_whole_command_line_says(computer):
    group = '''
    @hookimpl
    def jackfield_commands(self, cli):
        import typer

        named, nameless = typer.Typer(help="A group of verbs."), typer.Typer()
        cli.add_typer(named, name="grouped")
        cli.add_typer(nameless)

        @named.command()
        def inner(often: int = 1) -> None:
            """Inside."""

        @nameless.command()
        def merged_verb(often: int = 1) -> None:
            """Stands beside the others."""

        @cli.command(hidden=True)
        def hidden_verb() -> None:
            """Is not shown."""
'''
    computer.install("groups", group)
    whole = (
        "import json, sys, typer\nfrom jackfield.application import Application\n"
        "from jackfield.cli import build_cli\n"
        "command = typer.main.get_command(build_cli(Application.create()))\n"
        "try:\n    command(['--help'], prog_name='jackfield')\n"
        "finally:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    expected, _ = computer.help(code=whole)
    shown, _ = computer.help()
    assert shown == expected
    for words in ("A group of verbs.", "Stands beside the others."):
        assert words in shown
    assert "Is not shown." not in shown
