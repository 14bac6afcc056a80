"""The computer's devices, and what a model needs of their memory."""

from __future__ import annotations

import os
from typing import Any

import msgspec


class MemoryEstimate(msgspec.Struct, frozen=True):
    """Bytes a loaded model will need, on one device or several.

    Attributes:
        device: ``cpu`` for main memory, else an accelerator, e.g. ``cuda:0``.
        elsewhere: what it needs on other devices.
    """

    weights: int
    kv_cache: int
    overhead: int
    device: str = "cpu"
    elsewhere: tuple[MemoryEstimate, ...] = ()

    @property
    def total(self) -> int:
        """All of it, on all devices, in bytes."""
        return sum(self.by_device().values())

    def by_device(self) -> dict[str, int]:
        """Bytes on each device."""
        needs = {self.device: self.weights + self.kv_cache + self.overhead}
        for other in self.elsewhere:
            for device, need in other.by_device().items():
                needs[device] = needs.get(device, 0) + need
        return needs

    def on(self, device: str) -> int:
        """Bytes on one device."""
        return self.by_device().get(device, 0)


class Device(msgspec.Struct, frozen=True):
    """Where a model can be.

    Attributes:
        name: ``cpu`` for main memory, else an accelerator, e.g. ``cuda:0``.
        title: what the user reads, e.g. the product's name.
        total, free: bytes of its memory.
    """

    name: str
    title: str
    total: int
    free: int


class Machine(msgspec.Struct, frozen=True):
    """The computer, as it is now.

    Attributes:
        devices: ``cpu`` first, then accelerators, the one with most free memory first.
        cores: physical processor cores that this process may use.
    """

    devices: tuple[Device, ...]
    cores: int = 1

    @property
    def accelerators(self) -> tuple[Device, ...]:
        """All devices but the processor."""
        return tuple(one for one in self.devices if one.name != "cpu")

    def device(self, name: str) -> Device | None:
        """A device by name; None if it is not there."""
        return next((one for one in self.devices if one.name == name), None)

    @classmethod
    def now(cls) -> Machine:
        """This computer, or the container. NVIDIA's library tells of accelerators."""
        from jackfield.worker.memory import room  # a worker needs neither this nor the library

        memory = room()
        cpu = Device("cpu", "main memory", memory.total, memory.available)
        accelerators = sorted(_nvidia(), key=lambda one: -one.free)
        return cls((cpu, *accelerators), _cores())


def _cores() -> int:
    """Physical cores, or fewer where the process is bound to some."""
    import psutil

    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(psutil.cpu_count(logical=False) or 1, bound or 1))


def _nvidia() -> list[Device]:
    """NVIDIA's devices as CUDA numbers them from 0; none where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver: no device
        return []
    try:
        devices = []
        for number, handle in enumerate(_visible(pynvml)):
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            title = str(pynvml.nvmlDeviceGetName(handle))
            devices.append(Device(f"cuda:{number}", title, int(memory.total), int(memory.free)))
        return devices
    finally:
        pynvml.nvmlShutdown()


def _visible(pynvml: Any) -> list[Any]:
    """Handles of the devices that CUDA shows to a process, in its order.

    ``CUDA_VISIBLE_DEVICES`` names them by number or by the beginning of their identifier, up to
    the first that does not exist (CUDA C++ Programming Guide, "CUDA Environment Variables").
    """
    every = [
        pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())
    ]
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return every
    shown = []
    for word in chosen.split(","):
        name = word.strip()
        named = [
            handle
            for number, handle in enumerate(every)
            if name == str(number)
            or (len(name) > 4 and str(pynvml.nvmlDeviceGetUUID(handle)).startswith(name))
        ]
        if not named:
            break
        shown += named[:1]
    return shown
