"""One model in three formats under five loaders, all in one server at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import parts
from installation import Installation, until, workers

QUESTION = "What is the capital of France?"
LOADERS = {
    "gguf": "gguf",
    "safetensors": "transformers",
    "gptq": "gptq",
    "gptq-transformers": "transformers",
    "gptq-autogptq": "autogptq",
}
SETTINGS = """\
[models.safetensors.options]
n_ctx = 512
parallel = 2

[models.gptq.options]
n_ctx = 512
parallel = 2

[models.gptq-transformers]
variant_of = "gptq"
loader = "transformers"
options = { n_ctx = 512, parallel = 2 }

[models.gptq-autogptq]
variant_of = "gptq"
loader = "autogptq"
options = { n_ctx = 512 }

"""


@pytest.fixture
def five_ways(tmp_path, smollm2, smollm2_folder):
    made = Installation(tmp_path / "home")
    made.paths.settings.write_text(SETTINGS)
    made.add_model(smollm2, "gguf", n_ctx=512, n_threads=1)
    (made.paths.models / "safetensors").symlink_to(smollm2_folder)
    (made.paths.models / "gptq").symlink_to(parts.smollm2_gptq())
    environment = Path(parts.autogptq_python()).parents[1]
    made.paths.environments.mkdir(exist_ok=True)
    (made.paths.environments / "autogptq").symlink_to(environment)
    return made


def resident_memory(pid):
    """Bytes of a process and all that it started."""
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])


@pytest.mark.timeout(600)
def test_every_format_answers_beside_the_others_and_gives_its_memory_back(five_ways):
    with five_ways.serving() as server:

        def answer(model):
            how = {"max_tokens": 16, "temperature": 0, "extra_body": {"template": "chatml"}}
            return server.answer(model, QUESTION, **how)

        def answers_at_once(models):
            with ThreadPoolExecutor() as pool:
                return list(pool.map(answer, models))

        # What a server keeps from its first answers on is no model's: processes for templates.
        assert all("Paris" in text for text in answers_at_once(["gguf"] * len(LOADERS)))
        server.http.post("/api/models/gguf/unload")
        until(lambda: not workers(server.pid))
        time.sleep(1)
        before = resident_memory(server.pid)

        answers = {model: answer(model) for model in LOADERS}
        assert all("Paris" in text for text in answers.values()), answers
        residents = {one["model"]: one for one in server.get("/api/residents")}
        assert {name: one["state"] for name, one in residents.items()} == dict.fromkeys(
            LOADERS, "ready"
        )
        assert {name: one["loader"] for name, one in residents.items()} == LOADERS
        assert answers_at_once(LOADERS) == list(answers.values())
        assert len(workers(server.pid)) == len(LOADERS)

        for model in LOADERS:
            assert server.http.post(f"/api/models/{model}/unload").status_code == 200
        until(lambda: not workers(server.pid))
        after = resident_memory(server.pid)
        assert after <= before * 1.02, f"{before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after"
