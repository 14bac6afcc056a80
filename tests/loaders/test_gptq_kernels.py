"""Which kernel multiplies, where the user leaves that to the loader."""

import pytest

import parts
from jackfield import LoadFailed
from jackfield_loaders.gptq import opening
from jackfield_loaders.gptq.options import GptqOptions
from memory_meter import files_of


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kernels that are tried; all but torch fail, as on a card without compiler or network."""
    kernels: list[str] = []

    def attempt(files: object, options: GptqOptions, kernel: str) -> str:
        kernels.append(kernel)
        if kernel != "torch":
            raise OSError("no compiler")
        return kernel

    monkeypatch.setattr(opening, "_tried", attempt)
    return kernels


def test_on_a_card_the_next_kernel_is_taken_where_one_fails_and_none_that_fetches_anything(tried):
    options = GptqOptions(device="cuda:0")
    assert opening._with_kernel(files_of(parts.smollm2_gptq()), options) == "torch"
    assert tried == ["marlin", "triton", "torch"]


def test_a_kernel_that_was_asked_for_is_the_only_one_that_is_tried(tried):
    with pytest.raises(OSError, match="no compiler"):
        opening._with_kernel(
            files_of(parts.smollm2_gptq()), GptqOptions(device="cuda:0", kernel="marlin")
        )
    assert tried == ["marlin"]


def test_a_card_that_is_not_there_is_said():
    with pytest.raises(LoadFailed, match="'cuda:7' is not there"):
        opening.opened(files_of(parts.smollm2_gptq()), GptqOptions(device="cuda:7"))
