"""The embedding models and rerankers of the tests as the catalog identifies them."""

from pathlib import Path

from jackfield import ModelFiles
from jackfield.catalog.folder import read_folder
from jackfield.catalog.gguf import read_gguf

QUESTION = "What is the capital of France?"
DOCUMENTS = [
    "Bread is baked from flour, water, salt and yeast.",
    "Paris is the capital and largest city of France.",
    "The engine of the car needs new oil every year.",
    "A saw cuts wood.",
]
SENTENCES = [
    "A cat is sleeping on the sofa.",
    "A kitten naps on the couch.",
    "The central bank raised interest rates again in March.",
    "Crème brûlée is a naïve dessert, n'est-ce pas?",
    "x",
]


def identified(path: Path) -> ModelFiles:
    """A GGUF file or a folder of safetensors."""
    if path.is_file():
        return ModelFiles(path, "gguf", path.stat().st_size, read_gguf(path).metadata)
    found = read_folder(path)
    return ModelFiles(path, found.format, found.size, found.metadata)
