"""The data folder."""

from pathlib import Path
from stat import S_IMODE

from jackfield.paths import Paths


def test_a_new_data_folder_is_its_owners_alone(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "new" / "home")
    paths.make()
    assert S_IMODE(paths.home.stat().st_mode) == 0o700
    assert paths.models.is_dir() and paths.logs.is_dir()


def test_a_data_folder_that_was_there_keeps_its_permissions(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    Paths(home).make()
    Paths(home).make()
    assert S_IMODE(home.stat().st_mode) == 0o755
