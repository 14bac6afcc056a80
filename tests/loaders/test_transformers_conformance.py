"""The Transformers loader keeps to what every loader must, on real weights."""

import parts
from jackfield.catalog.catalog import describe
from jackfield.testing.loader_conformance import LoaderConformance
from jackfield_loaders.transformers import TransformersLoader
from jackfield_loaders.transformers.options import TransformersOptions


class TestTransformers(LoaderConformance):
    loader = TransformersLoader()
    options = TransformersOptions(n_ctx=512, parallel=4, device="cpu", threads=1)

    @classmethod
    def setup_class(cls) -> None:
        found = describe(parts.smollm2_folder())
        assert found is not None
        assert not found.error
        cls.files = found.files
        cls.adapter = parts.smollm2_lora()
        super().setup_class()
