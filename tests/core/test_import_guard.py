"""Markers of imports, by which a plugin that ended a process is known."""

from pathlib import Path

from jackfield.import_guard import FOLDER, ImportGuard

NOBODY = "4194305"  # above the highest process number that Linux gives


def test_the_marker_of_a_process_that_is_gone_names_its_plugin_once(tmp_path: Path) -> None:
    marker = tmp_path / FOLDER / NOBODY
    marker.parent.mkdir()
    marker.write_text("killer\nkiller 1.0", encoding="utf-8")
    guard = ImportGuard(tmp_path)
    assert guard.culprits() == {"killer": "killer 1.0"}
    assert guard.culprits() == {}


def test_a_marker_that_vanishes_while_it_is_looked_at_accuses_nobody(tmp_path: Path) -> None:
    marker = tmp_path / FOLDER / NOBODY
    marker.parent.mkdir()
    marker.symlink_to(tmp_path / "gone")  # listed, and not there when it is read
    assert ImportGuard(tmp_path).culprits() == {}


def test_a_plugin_that_is_imported_well_leaves_no_marker(tmp_path: Path) -> None:
    guard = ImportGuard(tmp_path)
    with guard.importing("fine", "fine 1.0"):
        assert guard.culprits() == {"fine": "fine 1.0"}  # our own number means an earlier process
    assert list((tmp_path / FOLDER).iterdir()) == []
