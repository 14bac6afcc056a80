"""Chooses what the user left to the loader: devices, number format and threads, with reasons."""

from __future__ import annotations

from collections.abc import Sequence

from jackfield import Device, Machine, ModelFiles, Settled
from jackfield_loaders.transformers.facts import Facts
from jackfield_loaders.transformers.memory import DISK, DRIVER, RUNTIME, Sizes, estimate
from jackfield_loaders.transformers.options import DType, TransformersOptions

MEGABYTE = 10**6


def settle(files: ModelFiles, options: TransformersOptions, machine: Machine) -> Settled:
    """Options without automatic values, and why."""
    chosen = options.model_copy()
    if chosen.device == "cuda":
        chosen.device = "cuda:0"
    reasons = [_place(files, chosen, machine)]
    chosen.dtype, reason = number_format(files, chosen)
    reasons.append(reason)
    if not chosen.threads:
        chosen.threads = machine.cores
        reasons.append(f"{machine.cores} threads: one for each core.")
    return Settled(chosen, tuple(reason for reason in reasons if reason))


def number_format(files: ModelFiles, options: TransformersOptions) -> tuple[DType, str]:
    """The number format on the chosen device, and why; no reason if the user chose it."""
    if options.dtype != "auto":
        return options.dtype, ""
    saved = Facts(files).saved_as
    if files.format == "gguf":
        return "bfloat16", "bfloat16: enough for what GGUF files keep of their weights."
    if saved == "float16" and options.device == "cpu":
        return "bfloat16", "bfloat16: processors compute float16, as the weights are saved, badly."
    if saved == "float32" and options.device != "cpu":
        return (
            "bfloat16",
            "bfloat16: half the memory of float32, as the weights are saved, and faster.",
        )
    if saved == "float32" and options.quantization != "none":
        return "bfloat16", f"bfloat16: enough to compute with {options.quantization} weights."
    return saved, f"{saved}: as the weights are saved."


def _place(files: ModelFiles, chosen: TransformersOptions, machine: Machine) -> str:
    """Choose devices, and limits where there are several; why, "" if the user chose."""
    cards = [one for one in machine.accelerators if chosen.device in ("auto", one.name)]
    if chosen.max_memory:
        return _limited(files, chosen, machine)
    if chosen.offload == "disk" or (chosen.offload == "cpu" and chosen.device != "cpu"):
        chosen.max_memory = _room(files, chosen, machine, cards[:1], main=True)
        return _limited(files, chosen, machine)
    if chosen.device != "auto":
        chosen.offload = "none"
        return ""
    reason = _on_cards(files, chosen, machine)
    if not reason:
        chosen.device = "cpu"
        reason = "The processor: no graphics card was found."
        if machine.accelerators:
            reason = "The processor: the model does not fit on a graphics card that is here."
            reason += _hint(files, chosen, machine)
    if chosen.offload == "auto":
        chosen.offload = "none"
    return reason


def _on_cards(files: ModelFiles, chosen: TransformersOptions, machine: Machine) -> str:
    """Put the model on one card, on several, or on one and the processor; "" if that cannot be."""
    cards = machine.accelerators
    for card in cards:
        need = estimate(files, _tried(files, chosen, card)).on(card.name)
        if need <= card.free:
            chosen.device = card.name
            return f"Device {card.name}: the {card.title} has room for {need / 1e9:.1f} GB."
    if len(cards) > 1:
        limits = _room(files, chosen, machine, cards, main=False)
        tried = _tried(files, chosen, cards[0]).model_copy(update={"max_memory": limits})
        if not Sizes(files, tried).spread(tried.limits)[DISK]:
            chosen.device, chosen.max_memory = cards[0].name, limits
            return f"Spread over {_named(files, tried)}: no card alone has room for the model."
    if not cards or chosen.offload == "none" or chosen.quantization != "none":
        return ""
    limits = _room(files, chosen, machine, cards[:1], main=True)
    tried = _tried(files, chosen, cards[0]).model_copy(update={"max_memory": limits})
    sizes = Sizes(files, tried)
    found = sizes.spread(tried.limits)
    alone = estimate(files, chosen.model_copy(update={"device": "cpu", "dtype": tried.dtype}))
    memory = machine.device("cpu")
    fits_in_memory = memory is not None and alone.total <= memory.free
    # Each step fetches what lies in main memory: with little on the card the processor is faster.
    if found[DISK] or (fits_in_memory and 2 * found[cards[0].name] < sizes.weights):
        return ""
    chosen.device, chosen.max_memory, chosen.offload = cards[0].name, limits, "cpu"
    return (
        f"Split between graphics card and processor, {_named(files, tried)}: the model does not "
        f"fit on the {cards[0].title} alone.{_hint(files, chosen, machine)}"
    )


def _hint(files: ModelFiles, chosen: TransformersOptions, machine: Machine) -> str:
    """The quantization with which the model would fit on a card; "" if there is none."""
    if chosen.quantization != "none" or Facts(files).method:
        return ""
    for quantization in ("8-bit", "4-bit"):
        fewer = chosen.model_copy(update={"quantization": quantization})
        for card in machine.accelerators:
            if estimate(files, _tried(files, fewer, card)).on(card.name) <= card.free:
                return f" With the option quantization set to {quantization} it would."
    return ""


def _limited(files: ModelFiles, chosen: TransformersOptions, machine: Machine) -> str:
    """Make the user's limits whole."""
    if chosen.offload == "auto":
        others = chosen.max_memory.keys() - {"cpu"}
        chosen.offload = "cpu" if others and chosen.quantization == "none" else "none"
    if chosen.offload != "none" and "cpu" not in chosen.max_memory:
        room = _room(files, chosen, machine, (), main=True)
        chosen.max_memory = {**chosen.max_memory, **room}
    devices = list(chosen.limits)
    if chosen.device not in devices:
        chosen.device = devices[0]
    tried = chosen.model_copy(update={"dtype": number_format(files, chosen)[0]})
    return f"Within the limits: {_named(files, tried)}."


def _tried(files: ModelFiles, chosen: TransformersOptions, card: Device) -> TransformersOptions:
    there = chosen.model_copy(update={"device": card.name})
    return there.model_copy(update={"dtype": number_format(files, there)[0]})


def _room(
    files: ModelFiles,
    chosen: TransformersOptions,
    machine: Machine,
    cards: Sequence[Device],
    *,
    main: bool,
) -> dict[str, str]:
    """What weights may take of the memory that is free: of cards, and of main memory."""
    sizes = Sizes(files, _tried(files, chosen, cards[0]) if cards else chosen)
    limits = {}
    for card in cards:
        share = sizes.cache * card.free // sum(one.free for one in cards)
        limits[card.name] = card.free - DRIVER - sizes.step - share
    memory = machine.device("cpu")
    if main and memory is not None:
        own = 0 if cards or chosen.max_memory else sizes.cache + sizes.step
        limits["cpu"] = memory.free - 2 * RUNTIME - own
    return {name: f"{max(0, room) // MEGABYTE}MB" for name, room in limits.items()}


def _named(files: ModelFiles, options: TransformersOptions) -> str:
    """The devices with what they hold, for a reason."""
    found = Sizes(files, options).spread(options.limits)
    where = {name: f"on {name}" for name in found}
    if options.offload != "disk":
        where[DISK] = "without a place"
    return ", ".join(f"{held / 1e9:.1f} GB {where[name]}" for name, held in found.items() if held)
