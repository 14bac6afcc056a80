"""Sampling presets to begin with."""

from __future__ import annotations

from jackfield import Plugin, SamplingPreset, hookimpl

PRESETS = (
    SamplingPreset(
        "Balanced",
        "A good start for conversation.",
        {"temperature": 0.7, "top_p": 0.95, "top_k": 40, "min_p": 0.05},
    ),
    SamplingPreset(
        "Precise",
        "Facts, summaries and instructions: the likeliest words, little variety.",
        {"temperature": 0.2, "top_p": 0.9, "top_k": 20, "min_p": 0.1},
    ),
    SamplingPreset(
        "Greedy",
        "Always the likeliest token: the same question gives the same answer.",
        {"temperature": 0.0, "top_k": 1, "top_p": 1.0, "min_p": 0.0},
    ),
    SamplingPreset(
        "Code",
        "Programs and structured text: cautious, without penalties on repetition.",
        {"temperature": 0.15, "top_p": 0.95, "top_k": 40, "min_p": 0.05, "repeat_penalty": 1.0},
    ),
    SamplingPreset(
        "Creative",
        "Stories and ideas: adventurous, kept from nonsense by min-p.",
        {"temperature": 1.2, "top_p": 1.0, "top_k": 0, "min_p": 0.08, "presence_penalty": 0.2},
    ),
    SamplingPreset(
        "Surprising",
        "Fiction that avoids the obvious word, by leaving out top choices (XTC).",
        {
            "temperature": 1.0,
            "top_p": 1.0,
            "top_k": 0,
            "min_p": 0.03,
            "xtc_probability": 0.5,
            "xtc_threshold": 0.1,
        },
    ),
    SamplingPreset(
        "Against repetition",
        "For models that go round in circles: DRY and mild penalties.",
        {
            "temperature": 0.8,
            "min_p": 0.05,
            "dry_multiplier": 0.8,
            "repeat_penalty": 1.05,
            "frequency_penalty": 0.1,
        },
    ),
    SamplingPreset(
        "Neutral",
        "The model's own probabilities, nothing added and nothing cut.",
        {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0},
    ),
)


class Presets(Plugin):
    """Sets of sampling parameters for common purposes."""

    @hookimpl
    def jackfield_sampling_presets(self) -> list[SamplingPreset]:
        """All of them."""
        return list(PRESETS)
