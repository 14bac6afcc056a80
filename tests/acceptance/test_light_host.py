"""What commands and the server do not import."""

import subprocess
import sys

import pytest

from installation import Installation

NEVER = ("torch", "transformers", "llama_cpp", "xllamacpp", "chromadb", "sentence_transformers")
HEAVY = (*NEVER, "streamlit", "fastapi", "uvicorn", "sqlalchemy", "numpy", "openai", "pip")
MODULES_OF_A_SERVER = """\
import sys

from fastapi import APIRouter

from jackfield import Plugin, hookimpl


class Modules(Plugin):
    \"\"\"Tells what the server has imported.\"\"\"

    @hookimpl
    def jackfield_routes(self):
        router = APIRouter()

        @router.get("/names")
        def names() -> list[str]:
            return sorted({name.partition(".")[0] for name in sys.modules})

        return router
"""


def imported(installation: Installation, *words: str) -> set[str]:
    """Top-level packages that a command imports, as -X importtime reports them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "jackfield", *words],
        capture_output=True,
        text=True,
        env=installation.environment,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert len(lines) > 50
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("--version",),
        ("run", "--help"),
        ("plugins", "list"),
        ("plugins", "disable", "clock"),
        ("models", "list"),
        ("config", "show"),
    ],
    ids=" ".join,
)
def test_light_commands_import_nothing_heavy(tmp_path, words):
    fresh = Installation(tmp_path / "home")
    assert imported(fresh, *words).isdisjoint(HEAVY)


def test_help_stays_light_with_thirty_plugins(tmp_path):
    fresh = Installation(tmp_path / "home")
    for number in range(30):
        (fresh.paths.plugins / f"one_{number}.py").write_text(
            "from jackfield import Plugin, hookimpl\n\n\n"
            "class One(Plugin):\n"
            '    "Does nothing much."\n\n'
            "    @hookimpl\n"
            "    def jackfield_transform_reply(self, reply):\n"
            "        return reply\n"
        )
    assert imported(fresh, "--help").isdisjoint(HEAVY)


def test_the_server_imports_no_back_end_even_when_a_model_answers(installation, smollm2):
    (installation.paths.plugins / "modules.py").write_text(MODULES_OF_A_SERVER)
    installation.add_model(smollm2, "smollm2", n_ctx=512, n_threads=1)
    with installation.serving() as server:
        assert server.answer("smollm2", "Say hello.", max_tokens=4)
        names = set(server.get("/api/plugins/modules/names"))
    assert {"jackfield", "streamlit", "fastapi"} <= names
    assert names.isdisjoint(NEVER)
