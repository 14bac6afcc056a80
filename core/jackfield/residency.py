"""How the models in memory share it, on every device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from jackfield.errors import LoadFailed
from jackfield.load_plan import LoadPlan
from jackfield.machine import Machine
from jackfield.resident import Resident
from jackfield.settings import EngineSettings
from jackfield.worker.memory import Limits, default_reserve, describe, room


class Share(msgspec.Struct, frozen=True):
    """How much memory models may take.

    Attributes:
        budget: bytes of main memory for all models together; set by the user, or the computer's
            less the reserve.
        reserve: bytes of main memory left to everything else.
        chosen: whether the user set the budget.
        part: of each accelerator's memory, 0 to 1.
        machine: tells the devices; asked only where accelerators matter.
    """

    budget: int
    reserve: int
    chosen: bool
    part: float
    machine: Callable[[], Machine]

    @classmethod
    def now(cls, settings: EngineSettings, machine: Callable[[], Machine]) -> Share:
        """The share by the settings and the computer as they are."""
        total = room().total
        reserve = default_reserve(total)
        chosen = bool(settings.memory_budget_gb)
        budget = round(settings.memory_budget_gb * 10**9) if chosen else total - reserve
        return cls(budget, reserve, chosen, settings.accelerator_share, machine)

    def free(
        self, device: str, others: Iterable[Resident], gone: Iterable[Resident] = ()
    ) -> int | None:
        """Bytes that another model may take; may be negative, None for a device not known here.

        Args:
            others: the models beside it.
            gone: models in memory now that will have left it by then.
        """
        others, gone = list(others), list(gone)
        taken = sum(one.committed_on(device) for one in others)
        if device == "cpu":
            if self.chosen:
                return self.budget - taken
            # What the others have yet to touch is as good as gone.
            coming = taken - sum(one.memory for one in others if one.admitted)
            back = sum(one.memory for one in gone)
            available = room().available - self.reserve - coming + back
            return min(self.budget - taken, available)
        found = self.machine().device(device)
        if found is None:
            return None
        limit = int(found.total * self.part)
        coming = sum(one.committed_on(device) for one in others if one.state == "loading")
        back = sum(one.committed_on(device) for one in gone if one.state != "loading")
        return min(limit - taken, found.free - (found.total - limit) - coming + back)

    def shortages(
        self,
        needs: Mapping[str, int],
        others: Iterable[Resident],
        gone: Iterable[Resident] = (),
    ) -> dict[str, int]:
        """Bytes that are missing for another model, by device; empty when it fits."""
        others, gone = list(others), list(gone)
        short = {}
        for device, need in needs.items():
            free = self.free(device, others, gone)
            if free is not None and need > free:
                short[device] = need - free
        return short

    def offered(self, others: Iterable[Resident], gone: Iterable[Resident]) -> Machine:
        """The computer with that much of each device free as another model may take."""
        others, gone, machine = list(others), list(gone), self.machine()
        once = msgspec.structs.replace(self, machine=lambda: machine)
        devices = tuple(
            msgspec.structs.replace(one, free=max(0, once.free(one.name, others, gone) or 0))
            for one in machine.devices
        )
        return Machine(devices, machine.cores)

    def refuse_if_hopeless(self, plan: LoadPlan, everyone: Iterable[Resident]) -> None:
        """Refuse a model that would not fit if all others were unloaded.

        Raises:
            LoadFailed: with the numbers.
        """
        everyone = list(everyone)
        short = self.shortages(plan.needs, (), gone=everyone)
        if short:
            why = f"Model {plan.entry.name!r} does not fit"
            raise self._refusal(why, plan, short, everyone, gone=everyone)

    def no_room(self, resident: Resident, others: Sequence[Resident]) -> LoadFailed:
        """The error for a model that found no room beside those in use."""
        short = self.shortages(resident.plan.needs, others)
        why = f"There is no room for model {resident.model!r}"
        return self._refusal(why, resident.plan, short, others)

    def limits(self, resident: Resident, others: Iterable[Resident]) -> Limits:
        """What one worker may take at most while the others are there."""
        if not self.chosen or resident.forced:
            return Limits(reserve=self.reserve)
        taken = sum(one.committed_on("cpu") for one in others if one is not resident)
        return Limits(worker=max(1, self.budget - taken), reserve=self.reserve)

    def _refusal(
        self,
        why: str,
        plan: LoadPlan,
        short: Mapping[str, int],
        everyone: Sequence[Resident],
        gone: Sequence[Resident] = (),
    ) -> LoadFailed:
        others = () if gone else everyone
        free = {device: max(0, self.free(device, others, gone) or 0) for device in short}
        parts = [
            f"it needs about {describe(plan.needs[device])} of {memory_of(device)}, and at most "
            f"{describe(free[device])} can be had{self._whose(device)}"
            for device in short
        ]
        taken = {one.model: held for one in everyone if (held := _held(one, short))}
        users = "; ".join(
            f"{model} has {' and '.join(describe(size) for size in held.values())}"
            for model, held in taken.items()
        )
        return LoadFailed(
            f"{why}: {'; '.join(parts)}.{f' In memory: {users}.' if users else ''}",
            hint="Choose a smaller model, a smaller quantization or a shorter context, unload "
            "other models"
            + (", raise the memory budget" if self.chosen and "cpu" in short else "")
            + ", or load it anyway (--force).",
            model=plan.entry.name,
            needs=plan.needs,
            free=free,
            taken=taken,
        )

    def _whose(self, device: str) -> str:
        if device == "cpu" and self.chosen:
            return f" within the budget of {describe(self.budget)}"
        return f" with {describe(self.reserve)} kept for other programs" if device == "cpu" else ""


def memory_of(device: str) -> str:
    """What a device's memory is called, e.g. ``main memory`` or ``memory on cuda:0``."""
    return "main memory" if device == "cpu" else f"memory on {device}"


def least_recently_used(residents: Sequence[Resident]) -> Resident | None:
    """The one to unload first, of those that nobody uses; None when all are in use."""
    return min(idle(residents), key=lambda one: one.last_used, default=None)


def idle(residents: Iterable[Resident]) -> list[Resident]:
    """Those that are ready and that nobody uses."""
    return [one for one in residents if one.state == "ready" and not one.busy]


def _held(resident: Resident, devices: Iterable[str]) -> dict[str, int]:
    """What a model takes of some devices."""
    return {device: size for device in devices if (size := resident.committed_on(device))}
