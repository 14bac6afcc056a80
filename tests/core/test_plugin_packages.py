"""Real distributions, good and bad, installed with pip and discovered in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
BAD = sorted(path.parent for path in (TESTS / "bad_plugins").glob("*/pyproject.toml"))
HEAVY = ("torch", "transformers", "llama_cpp", "xllamacpp", "chromadb", "streamlit")
START = """
import json, sys
from pathlib import Path
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.settings_store import SettingsStore

paths = Paths(Path(sys.argv[1]))
paths.make()
manager = PluginManager(paths, SettingsStore(paths))

def show(value):
    print(json.dumps(value))

def states():
    return {one.name: one.state for one in manager.records() if one.distribution != "jackfield"}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with the sample plugin and all bad ones, as pip installs them."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder)]
    command = [sys.executable, "-m", "pip", "install", "-q", *options, str(TESTS / "sample_plugin")]
    subprocess.run([*command, *map(str, BAD)], check=True, timeout=120)
    return folder


class Home:
    """A data folder on which processes run one after the other."""

    def __init__(self, home: Path, *folders: Path) -> None:
        self.home = home
        self.folders = folders

    def start(self, program: str) -> subprocess.CompletedProcess[str]:
        prepare = f"import sys; sys.path[:0] = {[str(one) for one in self.folders]!r}\n"
        command = [sys.executable, "-c", prepare + START + program, str(self.home)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def run(self, program: str):
        """What the program shows last."""
        done = self.start(program)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def home(tmp_path: Path, site: Path) -> Home:
    """The import-killer has been met already."""
    home = Home(tmp_path / "home", site)
    died = home.start("manager.discover()")
    assert died.returncode != 0
    return home


def test_bad_plugins_are_each_listed_with_their_reason_and_the_rest_works(home):
    shown = home.run(
        "manager.discover()\n"
        "manager.pages()\n"
        "show({'records': {one.name: [one.state, one.error, one.advice, one.distribution] "
        "for one in manager.records()}, 'loaders': sorted(manager.loaders())})"
    )
    records = shown["records"]
    for name, words in {
        "import-error": "No module named 'a_module_that_nobody_has'",
        "wrong-argument": "jackfield_transform_reply(self, text, turn)",
        "misspelled-hook": "'jackfield_transform_replay'",
        "invalid-config": "ending: Field required",
        "kills-process": "Its import ended the process",
    }.items():
        state, error, advice, distribution = records[name]
        assert state == "set aside", name
        assert words in error
        assert advice
        assert distribution == f"jackfield-bad-{name}"
    assert records["raises-everywhere"][0] == "enabled"
    assert "pages: ValueError: pages" in records["raises-everywhere"][1]
    assert records["shout"][:2] == ["enabled", ""]
    assert "gguf" in shown["loaders"]


def test_each_bad_plugin_can_be_disabled(home):
    names = [one.name.replace("_", "-") for one in BAD]
    shown = home.run(
        f"manager.discover()\nfor name in {names!r}: manager.disable(name)\nshow(states())"
    )
    assert shown == {**dict.fromkeys(names, "disabled"), "shout": "enabled"}
    assert home.run("manager.discover()\nshow(states())") == shown


def test_a_killer_can_be_disabled_before_it_was_ever_imported(tmp_path, site):
    home = Home(tmp_path / "home", site)
    assert home.run("manager.discover(load=False)\nmanager.disable('kills-process')\nshow(1)") == 1
    assert home.run("manager.discover()\nshow(states())")["kills-process"] == "disabled"


def test_a_killer_stays_aside_and_trying_it_again_does_not_end_the_process(home):
    for _ in range(2):
        assert home.run("manager.discover()\nshow(states())")["kills-process"] == "set aside"
    tried = "manager.discover()\nshow(manager.enable('kills-process').state)"
    assert home.run(tried) == "set aside"
    assert home.run("manager.discover()\nshow(states())")["kills-process"] == "set aside"


def test_a_killer_that_appears_while_the_server_runs_does_not_end_it(tmp_path):
    home = Home(tmp_path / "home")
    shown = home.run(
        "manager.discover()\n"
        "(paths.plugins / 'bad.py').write_text('import os; os._exit(0)')\n"
        "(paths.plugins / 'odd.py').write_text('raise SystemExit')\n"
        "(paths.plugins / 'good.py').write_text("
        "'from jackfield import Plugin\\nclass Good(Plugin): pass')\n"
        "manager.discover()\nbefore = states()\n"
        "(paths.plugins / 'bad.py').write_text("
        "'from jackfield import Plugin\\nclass Mended(Plugin): pass')\n"
        "manager.discover()\nshow([before, states()])"
    )
    before = {"bad": "set aside", "odd": "set aside", "good": "enabled"}
    assert shown == [before, {**before, "bad": "enabled"}]


def test_a_killer_that_was_mended_by_a_new_version_is_taken_up(home, tmp_path):
    newer = tmp_path / "newer"
    info = newer / "jackfield_bad_kills_process-0.2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: jackfield-bad-kills-process\nVersion: 0.2.0\n"
    )
    (info / "entry_points.txt").write_text("[jackfield]\nkills-process = bad_kills_process:Bad\n")
    (newer / "bad_kills_process.py").write_text(
        "from jackfield import Plugin\nclass Bad(Plugin):\n    'Mended.'\n"
    )
    mended = Home(home.home, newer, *home.folders)
    shown = mended.run(
        "manager.discover()\none = manager.record('kills-process')\n"
        "show([one.state, one.version, one.description])"
    )
    assert shown == ["enabled", "0.2.0", "Mended."]


def test_two_killers_are_both_found_out(tmp_path):
    for name in ("one", "two"):
        folder = tmp_path / "home" / "plugins"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text("import os\nos._exit(9)\n")
    home = Home(tmp_path / "home")
    assert home.start("manager.discover()").returncode == 9
    assert home.start("manager.discover()").returncode == 9
    assert home.run("manager.discover()\nshow(states())") == {
        "one": "set aside",
        "two": "set aside",
    }


def test_the_marker_of_a_process_that_still_imports_is_left_alone(tmp_path):
    folder = tmp_path / "home" / "plugins"
    folder.mkdir(parents=True)
    (folder / "slow.py").write_text(
        "import sys\nif len(sys.argv) > 2:\n    print('importing', flush=True)\n"
        "    sys.stdin.read()\nfrom jackfield import Plugin\nclass Slow(Plugin): pass\n"
    )
    home = Home(tmp_path / "home")
    command = [sys.executable, "-c", START + "manager.discover()", str(home.home), "slow"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as other:
        assert other.stderr is not None
        assert other.stderr.readline() == "importing\n"
        assert home.run("manager.discover()\nshow(states())") == {"slow": "enabled"}
        other.communicate("", timeout=60)
        assert other.returncode == 0


def test_the_sample_plugin_is_configured_and_changes_replies(home):
    shown = home.run(
        "import asyncio\nfrom jackfield.trace import Trace\n"
        "manager.discover()\n"
        "manager.configure('shout', {'marks': 3})\n"
        "for name in ('raises-everywhere',): manager.disable(name)\n"
        "turn = manager.for_turn()\n"
        "show([asyncio.run(turn.transform_reply('hi', None, Trace(turn_id='t'))), "
        "manager.for_turn(off=['shout']).implements('transform_reply')])"
    )
    assert shown == ["HI!!!", False]
    assert "marks = 3" in (home.home / "settings.toml").read_text()


def test_stored_options_that_are_not_valid_set_a_package_aside(home):
    (home.home / "settings.toml").write_text("[plugins.shout.config]\nmarks = 99\n")
    shown = home.run(
        "manager.discover()\nbefore = manager.record('shout')\n"
        "after = manager.configure('shout', {'marks': 2})\n"
        "show([before.state, before.error, before.config, after.state, after.config])"
    )
    assert shown[0] == "set aside"
    assert "marks: " in shown[1]
    assert shown[2:] == [{"marks": 99}, "enabled", {"marks": 2}]


def test_two_packages_with_one_plugin_name_are_named_and_one_is_chosen(home, tmp_path):
    other = tmp_path / "other"
    info = other / "somebody_elses_shout-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: somebody-elses-shout\nVersion: 2.0\n"
    )
    (info / "entry_points.txt").write_text("[jackfield]\nshout = somebody:Shout\n")
    (other / "somebody.py").write_text("from jackfield import Plugin\nclass Shout(Plugin): pass\n")
    both = Home(home.home, other, *home.folders)
    shown = both.run(
        "manager.discover()\nbefore = manager.record('shout')\n"
        "owners = [one.owners for one in manager.conflicts()]\n"
        "manager.choose('plugin:shout', 'somebody-elses-shout')\n"
        "after = manager.record('shout')\n"
        "show([before.state, before.error, owners, after.state, after.distribution])"
    )
    assert shown[0] == "set aside"
    assert "jackfield-shout" in shown[1] and "somebody-elses-shout" in shown[1]
    assert shown[2] == [["jackfield-shout", "somebody-elses-shout"]]
    assert shown[3:] == ["enabled", "somebody-elses-shout"]
    assert both.run("manager.discover()\nshow(manager.record('shout').state)") == "enabled"


def test_the_manager_and_discovery_import_nothing_heavy(tmp_path):
    home = Home(tmp_path / "home")
    loaded = home.run(
        "manager.discover()\nmanager.records()\nmanager.loaders()\nmanager.model_sources()\n"
        "manager.pages()\nshow([[one.name, one.error] for one in manager.records() if one.error])\n"
        f"show([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert loaded == []
