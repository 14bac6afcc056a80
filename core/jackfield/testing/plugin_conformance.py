"""What every plugin must keep to, as a suite that authors run on theirs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import ClassVar

from jackfield.plugin import Plugin
from jackfield.testing.workbench import PLUGIN, Workbench

HEAVY = ("torch", "transformers", "llama_cpp", "xllamacpp", "chromadb", "streamlit")
TEXTS = ("hello", "¿Qué tal? 你好 👋🏽", "```python\nprint('x')\n```", "word " * 300)

PROGRAM = f"""
import importlib, runpy, sys
module, file = sys.argv[1:]
try:
    importlib.import_module(module)
except ModuleNotFoundError as error:
    if error.name != module:
        raise
    runpy.run_path(file)  # a plugin that is a single file
print([name for name in {HEAVY} if name in sys.modules])
"""


class PluginConformance:
    """Subclass it in a test module and name the plugin; pytest finds the rest.

    ::

        class TestShout(PluginConformance):
            plugin = Shout
    """

    plugin: ClassVar[type[Plugin]]

    def test_it_is_accepted(self) -> None:
        """The manager takes it: name, hooks, arguments, API version and default config."""
        with Workbench(self.plugin) as bench:
            assert bench.record.state != "set aside", bench.record.error

    def test_it_says_what_it_does(self) -> None:
        """A first line of docstring to show on its card."""
        assert inspect.getdoc(self.plugin), f"{self.plugin.__name__} has no docstring"

    def test_every_option_has_a_default_and_help(self) -> None:
        """A form can be drawn from the config, and the plugin works before it is filled in."""
        for name, field in self.plugin.Config.model_fields.items():
            assert not field.is_required(), f"option {name!r} has no default"
            assert field.description, f"option {name!r} has no description"

    def test_importing_it_is_light(self) -> None:
        """Its module imports no back-end: that belongs in a worker or behind a first use."""
        module, file = self.plugin.__module__, inspect.getfile(self.plugin)
        command = [sys.executable, "-c", PROGRAM, module, file]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert shown.stdout.strip() == "[]", f"importing it imports {shown.stdout.strip()}"

    def test_turns_pass_through_it(self) -> None:
        """No hook raises on plain text, other scripts, code or a long message."""
        with Workbench(self.plugin) as bench:
            for text in TEXTS:
                reply = bench.chat(text)
                failed = [line for line in reply.trace.lines if line.error]
                assert not failed, f"{failed[0].hook} raised {failed[0].error}"

    def test_it_can_be_left_out_of_a_turn(self) -> None:
        """A turn that switches it off shows no trace of it."""
        with Workbench(self.plugin) as bench:
            reply = bench.chat("hello", off=[PLUGIN])
            assert all(line.plugin != PLUGIN for line in reply.trace.lines)
            assert reply.text == "hello"

    def test_it_can_be_disabled_and_enabled_again(self) -> None:
        """Without a restart, and it works afterwards as before."""
        with Workbench(self.plugin) as bench:
            bench.app.plugins.disable(PLUGIN)
            assert bench.chat("hello").text == "hello"
            bench.app.plugins.enable(PLUGIN)
            assert bench.app.plugins.record(PLUGIN).state == "enabled"
            assert bench.chat("hello").error is None
