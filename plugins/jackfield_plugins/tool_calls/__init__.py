"""How the common families of models write calls of tools."""

from __future__ import annotations

from jackfield import Plugin, ToolCallParser, hookimpl
from jackfield_plugins.tool_calls.deepseek import DeepSeek
from jackfield_plugins.tool_calls.function_gemma import FunctionGemma
from jackfield_plugins.tool_calls.functionary import Functionary
from jackfield_plugins.tool_calls.gemma import Gemma
from jackfield_plugins.tool_calls.hermes import Hermes
from jackfield_plugins.tool_calls.json_object import JsonObject
from jackfield_plugins.tool_calls.llama3 import Llama3
from jackfield_plugins.tool_calls.mistral import Mistral
from jackfield_plugins.tool_calls.qwen3_coder import Qwen3Coder


class ToolCalls(Plugin):
    """Knows how models write calls of tools: Qwen, Llama, Mistral, Gemma and others."""

    @hookimpl
    def jackfield_tool_call_parsers(self) -> list[ToolCallParser]:
        """One for each family, and one for models that were never taught to call tools."""
        return [
            Hermes(),
            Qwen3Coder(),
            Llama3(),
            Mistral(),
            Gemma(),
            FunctionGemma(),
            Functionary(),
            DeepSeek(),
            JsonObject(),
        ]
