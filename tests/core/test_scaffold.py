"""What `jackfield plugins new` writes installs and passes its own tests."""

import subprocess
import sys
from pathlib import Path

import pytest

from jackfield.errors import InvalidRequest
from jackfield.scaffold import Kind, create


@pytest.mark.parametrize("kind", ["plugin", "loader"])
def test_what_is_written_installs_and_passes_its_tests(kind: Kind, tmp_path: Path) -> None:
    made = create(kind, "two-words", tmp_path)
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--no-index", "--target", str(site), str(made)], check=True, timeout=120)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=made,
        env={"PYTHONPATH": str(site), "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


@pytest.mark.parametrize("name", ["", "Shout", "1st", "a b", "../up", "class", "a--b"])
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="lower-case letters"):
        create("plugin", name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "jackfield-shout").mkdir()
    with pytest.raises(InvalidRequest, match="left as it is"):
        create("plugin", "shout", tmp_path)
    assert list((tmp_path / "jackfield-shout").iterdir()) == []
