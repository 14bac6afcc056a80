"""The sampling presets to begin with."""

import pytest

from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.sampling import SamplingParams, SamplingPreset, neutral_value
from jackfield.settings_store import SettingsStore
from jackfield_plugins.presets import PRESETS, Presets


def named(name: str) -> SamplingPreset:
    return next(preset for preset in PRESETS if preset.name == name)


def test_the_plugin_supplies_all_of_them(paths: Paths):
    manager = PluginManager(paths, SettingsStore(paths), entry_points=[])
    manager.discover()
    manager.register("presets", Presets)
    assert manager.sampling_presets() == {preset.name: preset for preset in PRESETS}
    assert 6 <= len(PRESETS) <= 8


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_value_lies_within_its_bounds(preset: SamplingPreset):
    assert SamplingParams(**preset.params).model_fields_set == set(preset.params)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_description_is_one_sentence(preset: SamplingPreset):
    assert preset.description.endswith(".")
    assert preset.description.count(". ") == 0


def test_no_two_presets_are_alike():
    assert len({str(sorted(preset.params.items())) for preset in PRESETS}) == len(PRESETS)


def test_greedy_leaves_nothing_to_chance():
    params = SamplingParams(**named("Greedy").params)
    assert params.temperature == 0
    assert params.top_k == 1


def test_neutral_switches_off_all_that_the_defaults_switch_on():
    params = SamplingParams().merged(SamplingParams(**named("Neutral").params))
    assert params.temperature == 1
    assert all(
        getattr(params, field) == neutral_value(field)
        for field in SamplingParams.model_fields
        if field not in ("temperature", "max_tokens", "seed", "logprobs", "json_schema")
    )
