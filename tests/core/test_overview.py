"""``jackfield --help`` imports nothing when nothing has changed, and is never out of date."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
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
    "import json, sys\nfrom jackfield_command import main\nsys.argv[1:] = {words}\ntry:\n"
    "    main()\nfinally:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
)


@dataclass(frozen=True)
class Shown:
    """What a command line printed on both streams, and what it took."""

    out: str
    err: str
    status: int
    imported: bool


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

    def run(self, code: str, *sites: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run code in a new process."""
        path = os.pathsep.join([*map(str, sites or [self.site]), os.environ.get("PYTHONPATH", "")])
        environment = {"PYTHONPATH": path, "JACKFIELD_HOME": str(self.home), "COLUMNS": "100"}
        return subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | environment | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def help(self, *sites: Path, words: str = "['--help']", **variables: str) -> Shown:
        """What a command line shows, and whether Jackfield was imported for that."""
        done = self.run(LOOK.format(words=words), *sites, **variables)
        *said, modules = done.stderr.splitlines()
        imported = "jackfield" in json.loads(modules)
        return Shown(done.stdout, "\n".join(said), done.returncode, imported)

    def settled(self, *sites: Path, words: str = "['--help']") -> Shown:
        """The same once it is kept: files that the first time makes, the second time reads."""
        self.help(*sites, words=words)
        self.help(*sites, words=words)
        shown = self.help(*sites, words=words)
        assert not shown.imported
        return shown


@pytest.fixture
def computer(tmp_path):
    return Computer(tmp_path)


def test_nothing_is_imported_once_it_is_kept(computer):
    computer.install("loud_one", VERB.format(name="shout"))
    first = computer.help()
    assert first.imported
    assert "Says shout." in first.out
    assert "serve " in first.out
    kept = computer.settled()
    assert (kept.out, kept.err, kept.status) == (first.out, first.err, 0)


def test_it_is_what_the_whole_program_says(computer):
    computer.install("loud_one", VERB.format(name="shout"))
    whole = "import sys\nfrom jackfield.cli import main\nmain({})\n"
    for words in ("['--help']", "['-h']", "[]"):
        said = computer.run(whole.format(words))
        kept = computer.settled(words=words)
        assert (kept.out, kept.status) == (said.stdout, said.returncode)
        assert kept.err.strip() == said.stderr.strip()
        assert "Says shout." in said.stdout + said.stderr


def test_a_plugin_edited_in_place_shows_its_new_verb_at_once(computer):
    computer.install("growing", REPLY)
    computer.settled()
    computer.write("growing", REPLY, VERB.format(name="grown"))
    assert "Says grown." in computer.help().out
    computer.settled()
    computer.write("growing", REPLY)
    assert "Says grown." not in computer.help().out


def test_a_verb_that_a_base_class_of_another_package_gains_is_seen(computer):
    computer.write("ground", REPLY)
    computer.install("derived", base="ground")
    computer.settled()
    computer.write("ground", VERB.format(name="inherited"))
    assert "Says inherited." in computer.help().out


def test_plugins_that_come_and_go_are_seen(computer):
    computer.install("stays", REPLY)
    computer.settled()
    computer.install("comes", VERB.format(name="coming"))
    assert "Says coming." in computer.help().out
    computer.settled()
    shutil.rmtree(computer.site / "comes-1.0.dist-info")
    assert "Says coming." not in computer.help().out


def test_a_plugin_that_is_given_another_class_is_seen(computer):
    computer.install("turned", VERB.format(name="before"))
    computer.write("other", VERB.format(name="after"))
    assert "Says before." in computer.settled().out
    about = computer.site / "turned-1.0.dist-info" / "entry_points.txt"
    about.write_text("[jackfield]\nturned = other:Installed\n")
    assert "Says after." in computer.help().out


def test_the_same_version_in_another_folder_is_another_plugin(computer, tmp_path):
    computer.install("twin", REPLY)
    computer.settled()
    other = tmp_path / "other"
    computer.install("twin", VERB.format(name="elsewhere"), site=other)
    assert "Says elsewhere." in computer.help(other).out


def test_a_loose_file_is_seen_when_it_comes_and_when_it_is_edited(computer):
    computer.settled()
    plugins = computer.home / "plugins"
    computer.write("loose_one", VERB.format(name="loose"), site=plugins)
    assert "Says loose." in computer.help().out
    computer.settled()
    computer.write("loose_one", VERB.format(name="loosened"), site=plugins)
    assert "Says loosened." in computer.help().out


def test_a_plugin_that_is_switched_off_takes_its_verb_along(computer):
    computer.install("loud_one", VERB.format(name="shout"))
    assert "Says shout." in computer.settled().out
    (computer.home / "settings.toml").write_text("[plugins.loud_one]\nenabled = false\n")
    assert "Says shout." not in computer.help().out


def test_every_width_and_every_data_folder_has_its_own(computer, tmp_path):
    computer.install("loud_one", VERB.format(name="shout"))
    wide = computer.settled()
    narrow = computer.help(COLUMNS="40")
    assert narrow.imported
    assert len(narrow.out.splitlines()) > len(wide.out.splitlines())
    other = tmp_path / "other-home"
    other.mkdir()
    (other / "settings.toml").write_text("[plugins.loud_one]\nenabled = false\n")
    assert "Says shout." not in computer.help(JACKFIELD_HOME=str(other)).out


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[1]", b"{}", b"\xff\x00", b'{"around": 1, "files": 2, "shown": 3}'],
)
def test_what_was_kept_and_is_broken_is_made_anew(computer, damage):
    computer.install("loud_one", VERB.format(name="shout"))
    whole = computer.settled()
    (computer.home / "overview.json").write_bytes(damage)
    assert computer.help().out == whole.out
    assert not computer.help().imported


@pytest.mark.parametrize("shown", [[], ["x"], ["x", "", "zero"], None])
def test_a_list_that_was_cut_short_is_made_anew(computer, shown):
    whole = computer.settled()
    path = computer.home / "overview.json"
    kept = json.loads(path.read_bytes())
    path.write_text(json.dumps(kept | {"shown": shown}))
    assert computer.help().out == whole.out


def test_a_data_folder_that_takes_no_files_is_no_reason_to_fail(computer):
    whole = computer.settled()
    path = computer.home / "overview.json"
    path.unlink()
    path.mkdir()
    assert computer.help().out == whole.out
    assert [one.name for one in computer.home.glob("overview*")] == ["overview.json"]
