"""``jackfield quantize`` makes a GPTQ model that loads, and nothing when it fails."""

import json
import signal
import subprocess
import sys

import psutil
import pytest
from safetensors import safe_open

import parts
from installation import Installation, until

CUT = """\
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
whole, cut = sys.argv[1:]
AutoModelForCausalLM.from_pretrained(whole, num_hidden_layers=2).save_pretrained(cut)
AutoTokenizer.from_pretrained(whole).save_pretrained(cut)
"""

HALVE = """\
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
whole, halved = sys.argv[1:]
AutoModelForCausalLM.from_pretrained(whole).bfloat16().save_pretrained(halved)
AutoTokenizer.from_pretrained(whole).save_pretrained(halved)
"""


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """SmolLM2 with two of its thirty layers."""
    made = tmp_path_factory.mktemp("cut") / "model"
    command = [sys.executable, "-c", CUT, str(parts.smollm2_folder()), str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made


@pytest.fixture
def installation(tmp_path, cut):
    made = Installation(tmp_path / "home")
    (made.paths.models / "cut").symlink_to(cut)
    return made


def listed(installation):
    done = installation.run("models", "list", "--json")
    return {one["name"]: one for one in json.loads(done.stdout)}


def test_a_killed_run_leaves_no_model_and_the_next_one_makes_it(installation):
    words = ("quantize", "cut", "--name", "short", "--device", "cpu")
    first = installation.popen(*words)
    try:
        until(lambda: psutil.Process(first.pid).children(recursive=True))
        (child,) = psutil.Process(first.pid).children(recursive=True)
        until(lambda: child.memory_info().rss > 150_000_000)
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 20)
    assert list(listed(installation)) == ["cut"]

    done = installation.run(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("short: ")
    assert "quantizing: 2 of 2 layers" in done.stderr
    config = json.loads((installation.paths.models / "short" / "config.json").read_text())
    assert config["quantization_config"]["group_size"] == 64  # 128 does not divide rows of 576
    assert not list(installation.paths.models.glob(".short*"))
    model = listed(installation)["short"]
    assert "4" in model["quantization"]
    assert model["size"] < listed(installation)["cut"]["size"] / 2

    answer = installation.run("run", "short", "Once", "--max-tokens", "3", "--temperature", "0")
    assert answer.returncode == 0, answer.stderr


def test_a_model_in_bfloat16_keeps_that_where_it_is_not_quantized(installation, cut):
    halved = installation.paths.models / "halved"
    command = [sys.executable, "-c", HALVE, str(cut), str(halved)]
    subprocess.run(command, check=True, capture_output=True)
    done = installation.run("quantize", "halved", "--name", "short", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    made = installation.paths.models / "short"
    assert json.loads((made / "config.json").read_text())["dtype"] == "bfloat16"
    with safe_open(made / "model.safetensors", "pt") as weights:
        types = {name: weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    assert "lm_head.weight" not in types  # it is one with the embeddings still
    assert types.pop("model.embed_tokens.weight") == "BF16"
    assert {of for name, of in types.items() if name.endswith("norm.weight")} == {"BF16"}
    assert {of for name, of in types.items() if name.endswith(".qweight")} == {"I32"}
    answer = installation.run("run", "short", "Once", "--max-tokens", "3", "--temperature", "0")
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cut", "--bits", "5"), "GPTQ cannot round weights to 5 bits"),
        (("cut", "--group-size", "100"), "do not divide into groups of 100: it has rows of 576"),
        (("cut", "--name", "cut"), "There is a model 'cut' already"),
        (("cut", "--name", "../cut"), "cannot be the name of a model"),
        (("cut", "--texts", "absent.txt"), "The texts 'absent.txt' cannot be read"),
        (("absent",), "absent"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(installation, words, said):
    done = installation.run("quantize", *words)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert list(listed(installation)) == ["cut"]


def test_models_of_other_kinds_are_refused(installation, smollm2):
    installation.add_model(smollm2, "smollm2")
    (installation.paths.models / "short").symlink_to(parts.smollm2_gptq())
    done = installation.run("quantize", "smollm2")
    assert "it is no safetensors folder" in done.stderr
    done = installation.run("quantize", "short", "--name", "shorter")
    assert "is quantized already, by gptq" in done.stderr


def test_a_failure_says_why_and_leaves_nothing(installation, cut, tmp_path):
    broken = installation.paths.models / "broken"
    broken.mkdir()
    for file in cut.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "model_type": "unheard-of"}))
    done = installation.run("quantize", "broken", "--device", "cpu")
    assert done.returncode == 1
    assert "unheard-of" in done.stderr
    assert not list(installation.paths.models.glob("*gptq*"))
    assert not list(installation.paths.models.glob(".broken*"))
