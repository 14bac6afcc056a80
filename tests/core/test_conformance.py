"""The loader suite passes a good loader, and fails bad ones by the names of their defects."""

import sys
from pathlib import Path

import pytest

import babbler_faults
from babbler import BabblerLoader
from babbler_defects import CAUGHT, Bad
from jackfield.testing import LoaderConformance
from jackfield.testing.check import run_suite

assert babbler_faults  # it adds its own to CAUGHT

CHECKS = {name for name in dir(LoaderConformance) if name.startswith("test_")}


class Good(LoaderConformance):
    loader = BabblerLoader()

    @classmethod
    def setup_class(cls) -> None:
        super().setup_class()
        cls.adapter = cls._folder / "adapter"
        cls.adapter.mkdir()
        (cls.adapter / "adapter.json").write_text("{}")


class TestAGoodLoader(Good):
    pass


class TestAGoodLoaderInAWorker(Good):
    python = sys.executable


@pytest.mark.parametrize("bad", CAUGHT, ids=lambda bad: bad.__name__)
def test_each_defect_is_caught(bad: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # for the workers
    if issubclass(bad, BabblerLoader):
        loader = bad
    else:
        loader = type("Loader", (BabblerLoader,), {"Model": bad})
    suite = type("Suite", (Good,), {"loader": loader(), "patience": 4.0})
    results = {one.name: one for one in run_suite("bad", suite, only=CAUGHT[bad])}
    assert set(results) == set(CAUGHT[bad])
    for result in results.values():
        assert result.outcome == "failed", result
        assert result.reason


def test_every_check_catches_some_defect() -> None:
    assert {check for checks in CAUGHT.values() for check in checks} == CHECKS
