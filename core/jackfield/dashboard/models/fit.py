"""Whether a model that is not here yet would fit this computer, told by its size alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from jackfield.application import Application
from jackfield.catalog.source import Offer
from jackfield.machine import Machine
from jackfield.residency import Share

Fit: TypeAlias = Literal["fits", "tight", "too big", ""]

AROUND = 300_000_000
"""Bytes that a conversation and the engine take beside the weights, at the least."""
LIKED = (4, 5, 6, 8, 3, 16, 2, 32, 1)
"""Bits of a weight, what most people are best served with first."""
_BITS = re.compile(r"(?:^|[^A-Z])(?:I?Q|BF|FP?|MXFP|TQ|INT)(\d+)")


class Space(msgspec.Struct, frozen=True):
    """Memory for a model, on the device that has most of it.

    Attributes:
        free: bytes now, with what is in memory left there.
        limit: bytes if nothing else were in memory.
        device: what the user calls it.
    """

    free: int
    limit: int
    device: str = "memory"

    @classmethod
    def now(cls, app: Application) -> Space:
        """As this computer is, within what the settings let models have."""
        machine = Machine.now()
        share = Share.now(app.settings.value.engine, lambda: machine)
        residents = app.engine.residents()
        spaces = []
        for device in machine.devices:
            main = device.name == "cpu"
            limit = share.budget if main else int(device.total * share.part)
            free = max(0, share.free(device.name, residents) or 0)
            spaces.append(cls(free, limit, "memory" if main else f"memory on {device.title}"))
        return max(spaces, key=lambda one: (one.free, one.limit))

    def judge(self, offer: Offer) -> Fit:
        """Whether an offer fits; "" where its size is not known."""
        if not offer.size:
            return ""
        need = needed(offer)
        if need <= self.free:
            return "fits"
        return "tight" if need <= self.limit else "too big"


def needed(offer: Offer) -> int:
    """About how many bytes of memory it would take."""
    return round(offer.size * 1.1) + AROUND


def suggested(offers: Sequence[Offer], space: Space) -> int:
    """The place of the one to take for who does not know: of usual precision if that fits."""
    fitting = [one for one in offers if space.judge(one) == "fits"]
    if not fitting:
        return offers.index(min(offers, key=lambda one: one.size))
    return offers.index(min(fitting, key=_liking))


def bits(quantization: str) -> int:
    """Bits of a weight by the name of a quantization, 0 if that does not say."""
    found = _BITS.search(quantization.upper())
    return int(found[1]) if found else 0


def quality(offer: Offer) -> str:
    """What a quantization costs, in words."""
    match bits(offer.quantization):
        case 1 | 2:
            return "very short weights: answers suffer much"
        case 3:
            return "short weights: answers suffer"
        case 4:
            return "the usual choice: small, and nearly as good"
        case 5 | 6:
            return "a little better than 4 bits, and larger"
        case 8:
            return "hardly to be told from the original"
        case 16 | 32:
            return "weights at full length: the largest"
    return ""


def names(offers: Iterable[Offer]) -> list[str]:
    """What each version is called in a list: its quantization where that tells them apart."""
    offers = list(offers)
    kinds = [one.quantization for one in offers]
    return [
        one.quantization
        if kinds.count(one.quantization) == 1 and one.quantization
        else one.name
        if one.quantization
        else "Whole folder"
        if len(one.files) > 1
        else one.title
        for one in offers
    ]


def _liking(offer: Offer) -> tuple[int, bool, int]:
    """Sorts what is best first; the whole folder, whose bits are not known, comes last."""
    many = bits(offer.quantization)
    place = LIKED.index(many) if many in LIKED else len(LIKED)
    return place, not offer.quantization.upper().endswith("_K_M"), -offer.size
