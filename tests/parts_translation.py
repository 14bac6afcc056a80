"""Real weights for the tests of translation, taken out of packages as in parts.py."""

import logging
from pathlib import Path

from parts import joined, kept_folder, sha256, unzip_slices

PACKAGES = [f"aait-store-cut-part-{number:03}==0.0.1" for number in range(12, 17)]
FOLDER = "helsinki_fr_en"
FILES = {
    "config.json": "b3be13d046d9899d7aab8cf4ed624d9a79f5776038ba793f6b4d2ce3e02192f7",
    "generation_config.json": "4956fb9a7caaad7579cf8bb789c1e578b8a1cf48a0a8b779fda2f95dd10bbaa5",
    "pytorch_model.bin": "599b819e3488f0fb888fef09511370ce4c0388b6f0f6beeb49a1f4b19043bebc",
    "source.spm": "78d0e717c77053f1c4b856d8661d9cb87c64f083a35418c087b9146300e4f585",
    "target.spm": "173e9f493a668fe396d599e28d414a201193094e6ffd7a4678e5aab0f6d3d838",
    "tokenizer_config.json": "47de9ce87378593016432f8dc657202c03913ab3ce0c15d7f78d51edfc3ff9a3",
    "vocab.json": "945c604346ce15ce4aff9001001e7f925e336d942c4087017f191871162cbdc4",
}


def opus_mt_back() -> Path:
    """Helsinki's opus-mt-fr-en, which translates French into English: 380 MB in five packages.

    The weights are a pickle, as they are for most of these models on the Hub.
    """

    def make(folder: Path) -> Path:
        slices = joined(PACKAGES, folder, "slices")
        made = folder / "model"
        made.mkdir()
        unzip_slices(slices, FOLDER, made)
        for path in made.iterdir():
            if path.name not in FILES:
                path.unlink()
        for name, digest in FILES.items():
            assert sha256(made / name) == digest, f"{name} is not what it was"
        return made

    return kept_folder("opus-mt-fr-en", make)


def converted(model: Path) -> Path:
    """A model in CTranslate2's format, converted by the plugin's own code."""

    def make(folder: Path) -> Path:
        from jackfield_plugins.translation.conversion import Converted

        return Converted(folder / "kept", logging.getLogger("test")).of(model)

    return kept_folder(f"{model.name}-ct2", make)
