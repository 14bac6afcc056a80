"""Memory: the budget, who is unloaded first, idle models, proof that it came back."""

import asyncio
from typing import Any

import psutil
import pytest

from jackfield.errors import LoadFailed
from jackfield.paths import Paths
from jackfield.worker.memory import default_reserve, describe, room
from worker_bench import Bench, run, said, until

MEGABYTE = 10**6


def with_engine(paths: Paths, test: Any, **arguments: Any) -> None:
    async def main() -> None:
        async with Bench(paths, **arguments) as bench:
            await test(bench)

    run(main())


def names(bench: Bench) -> list[str]:
    return [one.model for one in bench.engine.residents()]


def test_unloading_gives_the_memory_back_and_proves_it(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("big", memory=300 * MEGABYTE)
        resident = await bench.engine.load("big")
        pid = resident.pid
        assert resident.memory > 300 * MEGABYTE
        report = await bench.engine.unload("big")
        assert report.before > resident.memory_before_load + 290 * MEGABYTE
        assert not psutil.pid_exists(pid)
        assert report.freed == report.before - report.after > 300 * MEGABYTE
        assert report.after <= resident.memory_before_load * 1.1
        assert report.available_before and report.available_after and report.seconds > 0
        assert bench.engine.resident("big") is None

    with_engine(paths, test)


def test_the_least_recently_used_goes_when_the_budget_is_full(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        for name in ("a", "b", "c"):
            bench.model(name, memory=100 * MEGABYTE)  # 144 MB with context and interpreter
        bench.settings.set("engine.memory_budget_gb", 0.35)
        for name in ("a", "b", "a"):
            async with bench.engine.use(name):
                pass
        await bench.engine.load("c")
        assert names(bench) == ["a", "c"]

    with_engine(paths, test)


def test_a_model_in_use_is_not_unloaded_and_the_next_waits_for_it(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("a", memory=100 * MEGABYTE, replies=["still here"])
        bench.model("b", memory=100 * MEGABYTE)
        bench.settings.set("engine.memory_budget_gb", 0.2)
        async with bench.engine.use("a") as a:
            loading = asyncio.create_task(bench.engine.load("b"))
            await until(lambda: "b" in names(bench))
            b = bench.engine.resident("b")
            await until(lambda: b.stage == "waiting for memory that a use")
            assert await said(a) == "still here"
        await loading
        assert names(bench) == ["b"]

    with_engine(paths, test)


def test_waiting_for_memory_ends_with_an_error_that_names_the_users(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("a", memory=100 * MEGABYTE)
        bench.model("b", memory=100 * MEGABYTE)
        bench.settings.set("engine.memory_budget_gb", 0.2)
        async with bench.engine.use("a"):
            with pytest.raises(LoadFailed, match=r"In memory: a has 14\d\.\d MB"):
                await bench.engine.load("b")
        assert bench.engine.resident("a").state == "ready"

    with_engine(paths, test, longest_wait=0.3)


def test_a_model_over_the_whole_budget_is_refused_and_nothing_is_unloaded(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("small")
        bench.model("huge", memory=900 * MEGABYTE)
        bench.settings.set("engine.memory_budget_gb", 0.2)
        await bench.engine.load("small")
        with pytest.raises(LoadFailed, match=r"needs about 944\.1 MB of .* 200\.0 MB") as caught:
            await bench.engine.load("huge")
        details = caught.value.details
        assert details["free"] == {"cpu": 200 * MEGABYTE}
        assert details["needs"]["cpu"] > 900 * MEGABYTE and list(details["taken"]) == ["small"]
        assert names(bench) == ["small"]

    with_engine(paths, test)


def test_a_model_that_takes_more_than_the_budget_is_ended_while_loading(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("liar", crash_on_load="memory")
        bench.model("good", replies=["fine"])
        await bench.engine.load("good")
        bench.settings.set("engine.memory_budget_gb", 0.3)
        with pytest.raises(LoadFailed, match="are allowed"):
            await bench.engine.load("liar")
        async with bench.engine.use("good") as good:
            assert await said(good) == "fine"

    with_engine(paths, test)


def test_an_idle_model_is_unloaded_and_a_busy_one_is_not(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("idle")
        bench.model("busy", delay=0.1, replies=["a " * 999])
        await bench.engine.load("idle", options={"n_ctx": 77})
        busy = await bench.engine.load("busy")
        asked = asyncio.create_task(said(busy))
        bench.settings.set("engine.idle_minutes", 0.02)
        await until(lambda: names(bench) == ["busy"])
        await asyncio.sleep(1.5)
        assert names(bench) == ["busy"]
        asked.cancel()
        await until(lambda: not names(bench))
        bench.settings.set("engine.idle_minutes", 0)
        async with bench.engine.use("idle") as again:
            assert again.info.context_length == 77

    with_engine(paths, test)


def test_an_estimate_says_what_is_needed_and_what_is_free(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("m", memory=100 * MEGABYTE, context_length=1000)
        found = bench.engine.forecast("m")
        estimate, free = found.plan.estimate, found.free["cpu"]
        assert (found.outcome, found.refusal) == ("fits", "")
        assert found.plan.match.reason == "a fake model"
        assert (estimate.weights, estimate.kv_cache) == (100 * MEGABYTE, MEGABYTE)
        assert 0 < free < psutil.virtual_memory().total
        longer = bench.engine.forecast("m", options={"n_ctx": 2000})
        assert longer.plan.estimate.kv_cache == 2 * MEGABYTE
        bench.settings.set("engine.memory_budget_gb", 1)
        assert bench.engine.forecast("m").free == {"cpu": 10**9}
        bench.settings.set("engine.memory_budget_gb", 0.1)
        refused = bench.engine.forecast("m")
        assert refused.outcome == "refused" and "100.0 MB" in refused.refusal

    with_engine(paths, test)


def test_sizes_are_told_for_people() -> None:
    assert [describe(size) for size in (5, 5_000, 5_400_000, 5_440_000_000)] == [
        "5 bytes",
        "5.0 kB",
        "5.4 MB",
        "5.4 GB",
    ]
    assert default_reserve(10**9) == 5 * 10**8
    assert default_reserve(10**12) == 2 * 10**9
    assert 0 < room().available <= room().total
