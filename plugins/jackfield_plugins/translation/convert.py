"""Converts a model: ``python -m jackfield_plugins.translation.convert SOURCE TARGET``.

Runs in a process of its own, because it imports PyTorch and Transformers.
"""

from __future__ import annotations

import sys

from jackfield_plugins.translation.opus import TOKENIZERS


def main(source: str, target: str) -> None:
    """Write the model in CTranslate2's format with 8-bit weights."""
    from ctranslate2.converters import TransformersConverter

    converter = TransformersConverter(source, copy_files=list(TOKENIZERS))
    converter.convert(target, quantization="int8")


if __name__ == "__main__":
    main(*sys.argv[1:])
