"""Room in memory: who waits, who goes by, accelerators, and loads that are forced."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import LoadFailed
from jackfield.machine import Device, Machine
from jackfield.paths import Paths
from worker_bench import Bench, run, said, until

MEGABYTE = 10**6
GIGABYTE = 10**9


def with_engine(paths: Paths, test: Any, **arguments: Any) -> None:
    async def main() -> None:
        async with Bench(paths, **arguments) as bench:
            await test(bench)

    run(main())


def names(bench: Bench) -> list[str]:
    return sorted(one.model for one in bench.engine.residents() if one.state == "ready")


def made_up_card() -> Machine:
    """A computer with 10 GB of graphics memory, of which nobody takes any."""
    cpu = Device("cpu", "main memory", 64 * GIGABYTE, 60 * GIGABYTE)
    return Machine((cpu, Device("cuda:0", "A card", 10 * GIGABYTE, 10 * GIGABYTE)), 4)


def test_a_model_that_waits_for_memory_does_not_hold_up_one_that_fits(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("used", memory=100 * MEGABYTE)  # 144 MB with context and interpreter
        bench.model("big", memory=200 * MEGABYTE)
        bench.model("small", replies=["quick"])
        bench.settings.set("engine.memory_budget_gb", 0.3)
        async with bench.engine.use("used"):
            waiting = bench.engine.begin_load("big")
            await until(lambda: waiting.stage == "waiting for memory that used use")
            async with bench.engine.use("small") as small:
                assert await said(small) == "quick"
            assert waiting.state == "loading" and waiting.worker is None
            assert names(bench) == ["small", "used"], "nobody is unloaded where it is no help"
        await waiting.until_settled()
        assert names(bench) == ["big"]

    with_engine(paths, test)


def test_room_goes_to_the_first_that_waits_for_it(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        for name in ("used", "first", "second"):
            bench.model(name, memory=100 * MEGABYTE, load_delay=0.5)
        bench.settings.set("engine.memory_budget_gb", 0.2)
        async with bench.engine.use("used"):
            first = bench.engine.begin_load("first")
            await until(lambda: first.stage.startswith("waiting for memory"))
            second = bench.engine.begin_load("second")
            await until(lambda: second.stage.startswith("waiting for memory"))
        await until(lambda: first.admitted)
        assert not second.admitted
        await asyncio.gather(first.until_settled(), second.until_settled())
        assert first.loaded_at < second.loaded_at

    with_engine(paths, test)


def test_one_that_waits_long_is_not_passed_any_more(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("used", memory=100 * MEGABYTE)
        bench.model("big", memory=200 * MEGABYTE)
        bench.model("small")
        bench.settings.set("engine.memory_budget_gb", 0.3)
        async with bench.engine.use("used"):
            big = bench.engine.begin_load("big")
            await asyncio.sleep(1.2)  # more than half of its longest wait
            small = bench.engine.begin_load("small")
            await until(lambda: small.stage == "waiting behind big")
        await asyncio.gather(big.until_settled(), small.until_settled())
        assert names(bench) == ["small"] or names(bench) == ["big", "small"]

    with_engine(paths, test, longest_wait=2.0)


def test_where_all_that_is_idle_is_too_little_nobody_is_unloaded(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("used", memory=100 * MEGABYTE)
        bench.model("idle")
        bench.model("big", memory=200 * MEGABYTE)
        bench.settings.set("engine.memory_budget_gb", 0.3)
        await bench.engine.load("idle")
        async with bench.engine.use("used"):
            with pytest.raises(LoadFailed, match=r"used has 14\d\.\d MB") as caught:
                await bench.engine.load("big")
            assert list(caught.value.details["taken"]) == ["idle", "used"]
        assert names(bench) == ["idle", "used"]

    with_engine(paths, test, longest_wait=0.3)


def test_a_short_accelerator_unloads_the_least_recent_that_uses_it(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("processor")
        for name in ("a", "b", "c"):
            bench.model(name, on_gpu=4 * GIGABYTE)
        for name in ("processor", "a", "b", "c"):
            await bench.engine.load(name)
        assert names(bench) == ["b", "c", "processor"]  # 9 GB may be taken
        again = bench.engine.forecast("a")
        assert again.free["cuda:0"] == GIGABYTE and again.outcome == "takes turns"

    with_engine(paths, test, machine=made_up_card)


def test_a_model_too_big_for_the_accelerator_is_refused_before_it_is_read(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("huge", on_gpu=12 * GIGABYTE)
        with pytest.raises(LoadFailed, match=r"12\.0 GB of memory on cuda:0.* 9\.0 GB") as caught:
            await bench.engine.load("huge")
        assert caught.value.details["free"] == {"cuda:0": 9 * GIGABYTE}
        assert bench.engine.residents() == []
        bench.settings.set("engine.accelerator_share", 0.5)
        assert "5.0 GB" in bench.engine.forecast("huge").refusal
        forced = await bench.engine.load("huge", force=True)
        assert forced.state == "ready" and forced.forced

    with_engine(paths, test, machine=made_up_card)


def test_memory_that_other_programs_take_of_an_accelerator_is_not_free(paths: Paths) -> None:
    def taken() -> Machine:
        machine = made_up_card()
        card = Device("cuda:0", "A card", 10 * GIGABYTE, 3 * GIGABYTE)
        return Machine((machine.devices[0], card), 4)

    async def test(bench: Bench) -> None:
        bench.model("m", on_gpu=GIGABYTE)
        assert bench.engine.forecast("m").free["cuda:0"] == 2 * GIGABYTE  # 1 GB is kept

    with_engine(paths, test, machine=taken)


def test_a_forced_load_is_not_refused_and_not_held_to_the_budget(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        bench.model("idle")
        bench.model("big", memory=300 * MEGABYTE, replies=["here"])
        bench.settings.set("engine.memory_budget_gb", 0.2)
        await bench.engine.load("idle")
        with pytest.raises(LoadFailed, match="does not fit") as caught:
            await bench.engine.load("big")
        assert "--force" in caught.value.hint
        await bench.engine.load("big", force=True)
        await asyncio.sleep(1.5)  # the caretaker sets limits once a second
        async with bench.engine.use("big") as big:
            assert await said(big) == "here" and big.memory > 300 * MEGABYTE
        assert names(bench) == ["big"]

    with_engine(paths, test)


def test_a_refusal_takes_no_time_and_touches_no_file(paths: Paths) -> None:
    async def test(bench: Bench) -> None:
        path: Path = bench.model("huge", memory=900 * MEGABYTE, load_delay=5.0)
        bench.settings.set("engine.memory_budget_gb", 0.2)
        began = time.monotonic()
        with pytest.raises(LoadFailed):
            bench.engine.begin_load("huge")
        assert time.monotonic() - began < 1 and path.exists()
        assert bench.engine.residents() == []

    with_engine(paths, test)
