"""Chat templates by name, for models that bring none or a wrong one."""

from __future__ import annotations

from jackfield import ChatTemplate, Plugin, hookimpl

SYSTEM_FIRST = """\
{%- if messages and messages[0].role == 'system' -%}
{%- set system = messages[0].content -%}{%- set turns = messages[1:] -%}
{%- else -%}
{%- set system = '' -%}{%- set turns = messages -%}
{%- endif -%}
"""
"""Splits the conversation into ``system``, a text, and ``turns``, the rest."""

SYSTEM_IN_TURNS = (
    SYSTEM_FIRST
    + """\
{%- if system and (not turns or turns[0].role != 'user') -%}
{%- set turns = [{'role': 'user', 'content': ''}] + turns -%}
{%- endif -%}
"""
)
"""The same for formats that put the system's text into the user's first turn: there is one."""

CHATML = ChatTemplate(
    name="chatml",
    title="ChatML (Qwen, SmolLM2, Yi)",
    source="""\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}""",
    stop=("<|im_end|>", "<|im_start|>"),
)
LLAMA3 = ChatTemplate(
    name="llama3",
    title="Llama 3",
    source="""\
{{- bos_token -}}
{%- for message in messages -%}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' -}}
{{- message.content | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{%- endif -%}""",
    stop=("<|eot_id|>", "<|start_header_id|>"),
)
MISTRAL = ChatTemplate(
    name="mistral",
    title="Mistral Instruct",
    source=SYSTEM_IN_TURNS
    + """\
{{- bos_token -}}
{%- for message in turns -%}
{%- if message.role == 'assistant' -%}
{{- ' ' + message.content | trim + eos_token -}}
{%- else -%}
{{- '[INST] ' -}}
{{- ((system + '\\n\\n' if loop.first and system else '') + message.content) | trim -}}
{{- ' [/INST]' -}}
{%- endif -%}
{%- endfor -%}""",
    stop=("[INST]",),
)
ALPACA = ChatTemplate(
    name="alpaca",
    title="Alpaca (### Instruction)",
    source=SYSTEM_FIRST
    + """\
{%- if system -%}{{- system + '\\n\\n' -}}{%- endif -%}
{%- for message in turns -%}
{%- if message.role == 'assistant' -%}
{{- '### Response:\\n' + message.content + '\\n\\n' -}}
{%- else -%}
{{- '### Instruction:\\n' + message.content + '\\n\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '### Response:\\n' -}}{%- endif -%}""",
    stop=("### Instruction:",),
)
VICUNA = ChatTemplate(
    name="vicuna",
    title="Vicuna (USER: ASSISTANT:)",
    source=SYSTEM_FIRST
    + """\
{{- bos_token -}}
{%- if system -%}{{- system + ' ' -}}{%- endif -%}
{%- for message in turns -%}
{%- if message.role == 'assistant' -%}
{{- 'ASSISTANT: ' + message.content | trim + eos_token -}}
{%- else -%}
{{- 'USER: ' + message.content | trim + ' ' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'ASSISTANT:' -}}{%- endif -%}""",
    stop=("USER:",),
)
GEMMA = ChatTemplate(
    name="gemma",
    title="Gemma",
    source=SYSTEM_IN_TURNS
    + """\
{{- bos_token -}}
{%- for message in turns -%}
{%- set role = 'model' if message.role == 'assistant' else 'user' -%}
{{- '<start_of_turn>' + role + '\\n' -}}
{{- ((system + '\\n\\n' if loop.first and system else '') + message.content) | trim -}}
{{- '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}""",
    stop=("<end_of_turn>", "<start_of_turn>"),
)
PHI = ChatTemplate(
    name="phi",
    title="Phi 3",
    source="""\
{%- for message in messages -%}
{{- '<|' + message.role + '|>\\n' + message.content + '<|end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>\\n' -}}{%- endif -%}""",
    stop=("<|end|>", "<|user|>"),
)
PLAIN = ChatTemplate(
    name="plain",
    title="Plain text (for models without instruction training)",
    source=SYSTEM_FIRST
    + """\
{%- if system -%}{{- system + '\\n\\n' -}}{%- endif -%}
{%- for message in turns -%}
{{- ('Assistant: ' if message.role == 'assistant' else 'User: ') + message.content + '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}""",
    stop=("\nUser:",),
)


class Templates(Plugin):
    """Chat templates of the common model families, by name."""

    @hookimpl
    def jackfield_chat_templates(self) -> list[ChatTemplate]:
        """All of them."""
        return [CHATML, LLAMA3, MISTRAL, ALPACA, VICUNA, GEMMA, PHI, PLAIN]
