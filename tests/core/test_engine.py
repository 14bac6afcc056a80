"""The engine: loading on demand, sharing, reloading, deaths and restarts."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import psutil
import pytest

from jackfield.errors import (
    InvalidRequest,
    LoadFailed,
    ModelFileError,
    ModelNotFound,
    NotFound,
    PluginConflict,
    WorkerDied,
)
from jackfield.loader import Loader, ModelInfo
from jackfield.paths import Paths
from jackfield.plugin import Plugin, hookimpl
from jackfield.restarts import Restarts
from jackfield.testing import FakeLoader
from worker_bench import Bench, run, said, until


class Rival(FakeLoader):
    """A second loader for the same files, equally good."""

    name = "rival"


class RivalPlugin(Plugin):
    """Offers the rival."""

    @hookimpl
    def jackfield_loaders(self) -> Sequence[type[Loader]]:
        return [Rival]


class Listening(Plugin):
    """Notes what it is told."""

    heard: ClassVar[list[str]] = []

    @hookimpl
    def jackfield_model_loaded(self, model: str, info: ModelInfo) -> None:
        self.heard.append(f"{model} loaded with {info.context_length}")

    @hookimpl
    def jackfield_model_unloaded(self, model: str) -> None:
        self.heard.append(f"{model} unloaded")


def with_engine(paths: Paths, test: Any, **arguments: Any) -> None:
    async def main() -> None:
        async with Bench(paths, **arguments) as bench:
            await test(bench)

    run(main())


def test_a_model_is_loaded_when_it_is_used_and_stays(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("parrot", replies=["hello"])
        async with bench.engine.use("parrot") as first:
            assert (first.state, first.stage, first.progress) == ("ready", "ready", 1)
            assert await said(first) == "hello"
            assert first.users == 1
        async with bench.engine.use("Parrot.fake") as second:
            assert second is first
        assert bench.engine.residents() == [first]
        assert first.loader == "fake" and first.options == {"n_ctx": 0, "answer": "as written"}
        assert first.users == 0 and first.load_seconds > 0 and first.memory > 1_000_000
        assert first.log.exists() and first.pid is not None

    with_engine(paths, test)


def test_concurrent_callers_share_one_load(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("slow", load_delay=0.3)
        first, *others = await asyncio.gather(
            bench.engine.load("slow"), bench.engine.load("slow"), *(used(bench) for _ in range(4))
        )
        assert all(other is first for other in others)

    async def used(bench: Bench) -> Any:
        async with bench.engine.use("slow") as resident:
            return resident

    with_engine(paths, test)


def test_a_load_can_be_begun_and_watched(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("slow", load_delay=0.3)
        resident = bench.engine.begin_load("slow")
        assert resident.state == "loading"
        await until(lambda: resident.stage == "loading")
        await until(lambda: resident.state == "ready")
        assert bench.engine.begin_load("slow") is resident

    with_engine(paths, test)


def test_other_options_load_it_anew_after_the_running_requests(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("m", replies=["a b c"], delay=0.1)
        old = await bench.engine.load("m")
        async with bench.engine.use("m") as resident:
            asked = asyncio.create_task(said(resident))
            await until(lambda: resident.active)
            loading = asyncio.create_task(bench.engine.load("m", options={"answer": "upper case"}))
            assert await asked == "a b c"
        new = await loading
        assert new is not old and await said(new) == "A B C"
        assert not psutil.pid_exists(old.worker.pid)
        assert await bench.engine.load("m") is new
        assert await bench.engine.load("m", options={"answer": "upper case"}) is new

    with_engine(paths, test)


def test_unloading_while_a_reload_waits_ends_the_one_that_answers_too(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("m", replies=["a " * 1000], delay=0.05)
        old = await bench.engine.load("m")
        async with bench.engine.use("m") as resident:
            asked = asyncio.create_task(said(resident))
            await until(lambda: resident.active)
            waiting = bench.engine.begin_load("m", options={"answer": "upper case"})
            await until(lambda: waiting.stage == "waiting for requests to end")
            again = bench.engine.begin_load("m", options={"n_ctx": 64})
            await until(lambda: again.stage == "waiting for requests to end")
            assert psutil.pid_exists(old.worker.pid)
            await bench.engine.unload("m")
            with pytest.raises(WorkerDied, match="unloaded"):
                await asked
        assert not psutil.pid_exists(old.worker.pid)
        assert bench.engine.residents() == [] and waiting.pid is None and again.pid is None

    with_engine(paths, test)


def test_users_follow_a_load_that_is_replaced(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("m", load_delay=0.5, replies=["hello"])

        async def ask() -> str:
            async with bench.engine.use("m") as resident:
                return await said(resident)

        asked = asyncio.create_task(ask())
        await until(lambda: bench.engine.residents())
        bench.engine.begin_load("m", options={"answer": "upper case"})
        assert await asked == "HELLO"

    with_engine(paths, test)


def test_the_settings_hold_a_models_usual_options(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("m")
        bench.settings.set("models.m.options", {"n_ctx": 64})
        resident = await bench.engine.load("m")
        assert resident.info.context_length == 64
        with pytest.raises(InvalidRequest, match="'n_ctx'") as caught:
            await bench.engine.load("m", options={"n_ctx": -1})
        assert list(caught.value.details["errors"]) == ["n_ctx"]
        assert bench.engine.resident("m") is resident

    with_engine(paths, test)


def test_what_cannot_be_loaded_says_so_at_once(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("parrot")
        with pytest.raises(ModelNotFound) as caught:
            await bench.engine.load("parot")
        assert caught.value.details["nearest"] == "parrot"
        with pytest.raises(InvalidRequest, match="no loader 'nope'"):
            bench.engine.begin_load("parrot", loader="nope")
        (paths.models / "parrot.fake").write_text("not JSON", encoding="utf-8")
        with pytest.raises(ModelFileError, match=r"parrot\.fake"):
            await bench.engine.load("parrot")
        with pytest.raises(NotFound, match="not loaded"):
            await bench.engine.unload("parrot")
        assert bench.engine.residents() == []

    with_engine(paths, test)


def test_two_equal_loaders_are_asked_about_and_the_answer_is_kept(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("m")
        bench.plugins.register("rival", RivalPlugin)
        with pytest.raises(PluginConflict) as caught:
            await bench.engine.load("m")
        assert sorted(caught.value.details["owners"]) == ["fake", "rival"]
        assert (await bench.engine.load("m", loader="fake")).loader == "fake"
        bench.settings.set(("choices", caught.value.details["what"]), "rival")
        await bench.engine.unload("m")
        assert bench.engine.choose_loader(bench.catalog.find("m"))[0].name == "rival"

    with_engine(paths, test)


def test_a_dead_worker_is_restarted_by_the_next_request_with_its_options(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("m", delay=0.05, replies=["a b c " * 100])
        bench.model("other", replies=["fine"])
        resident = await bench.engine.load("m", options={"answer": "upper case"})
        async with bench.engine.use("other"), bench.engine.use("m"):
            asked = asyncio.create_task(said(resident))
            await until(lambda: resident.active)
            os.kill(resident.pid, signal.SIGKILL)
            with pytest.raises(WorkerDied, match="SIGKILL"):
                await asked
            assert resident.state == "failed" and "SIGKILL" in resident.error
            assert resident.memory == 0
        async with bench.engine.use("m") as again:
            assert again is not resident
            assert await said(again, max_tokens=1) == "A"
        async with bench.engine.use("other") as other:
            assert await said(other) == "fine"

    with_engine(paths, test)


def test_a_load_that_crashes_leaves_the_rest_alone_and_is_listed(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("bad", crash_on_load="segfault")
        bench.model("good", replies=["fine"])
        async with bench.engine.use("good") as good:
            with pytest.raises(LoadFailed, match="SIGSEGV"):
                await bench.engine.load("bad")
            assert await said(good) == "fine"
        bad = bench.engine.resident("bad")
        assert bad.state == "failed" and "SIGSEGV" in bad.error
        report = await bench.engine.unload("bad")
        assert report.model == "bad"
        assert [one.model for one in bench.engine.residents()] == ["good"]

    with_engine(paths, test)


def test_a_model_that_keeps_dying_is_refused_until_the_user_loads_it(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("m", crash_on_load="exit")
        for _ in range(3):
            with pytest.raises(LoadFailed, match="exit code 3"):
                async with bench.engine.use("m"):
                    pass
        with pytest.raises(LoadFailed, match="ended 3 times") as caught:
            async with bench.engine.use("m"):
                pass
        assert "jackfield models load m" in caught.value.hint
        bench.model("m", replies=["fine"])
        await bench.engine.load("m")
        async with bench.engine.use("m") as resident:
            assert await said(resident) == "fine"

    with_engine(paths, test, restarts=Restarts(delays=(0, 0.1), most=3))


def test_restarts_are_spaced_out_and_forgotten() -> None:
    restarts = Restarts(delays=(0, 10, 20), window=0.2, most=9)
    assert restarts.delay("m") == 0
    restarts.note("m")
    assert restarts.delay("m") == 0
    restarts.note("m")
    assert 9 < restarts.delay("m") <= 10
    restarts.note("m")
    restarts.note("m")
    assert 19 < restarts.delay("m") <= 20
    assert restarts.delay("other") == 0
    time.sleep(0.25)
    assert restarts.delay("m") == 0


def test_a_load_that_hangs_is_given_up_by_unloading(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("stuck", crash_on_load="hang")
        loading = asyncio.create_task(bench.engine.load("stuck"))
        await until(lambda: bench.engine.residents() and bench.engine.residents()[0].pid)
        pid = bench.engine.residents()[0].pid
        await bench.engine.unload("stuck")
        with pytest.raises(LoadFailed, match="unloaded before it was ready"):
            await loading
        assert not psutil.pid_exists(pid) and bench.engine.residents() == []

    with_engine(paths, test)


def test_plugins_are_told_of_models_in_order(paths: Paths) -> None:
    Listening.heard.clear()

    async def test(bench: Bench) -> None:
        bench.plugins.register("listening", Listening)
        bench.model("m", context_length=99)
        await bench.engine.load("m")
        await bench.engine.unload("m")
        await bench.engine.load("m")

    with_engine(paths, test)
    assert Listening.heard == ["m loaded with 99", "m unloaded"] * 2


def test_stopping_ends_every_worker_within_seconds(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("busy", delay=0.05, replies=["a " * 999])
        bench.model("stuck", crash_on_load="freeze")
        busy = await bench.engine.load("busy")
        asked = asyncio.create_task(said(busy))
        stuck = bench.engine.begin_load("stuck")
        await until(lambda: stuck.stage == "loading" and busy.active)
        pids = [busy.pid, stuck.pid]
        began = time.monotonic()
        await bench.engine.stop()
        assert time.monotonic() - began < 10
        assert not any(psutil.pid_exists(pid) for pid in pids)
        with pytest.raises(WorkerDied):
            await asked
        with pytest.raises(LoadFailed, match="stopping"):
            await bench.engine.load("busy")

    with_engine(paths, test)
