"""The documentation is held to the program."""

import inspect
import re
from pathlib import Path

import pytest

from jackfield import hookspecs

ROOT = Path(__file__).parents[2]
HOOKS = [name for name in dir(hookspecs) if name.startswith("jackfield_")]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])


def test_every_hook_has_a_section_in_the_reference() -> None:
    page = (ROOT / "docs/reference/hooks.md").read_text(encoding="utf-8")
    assert [name for name in HOOKS if f"### `{name}`" not in page] == []


def test_every_hook_says_since_when() -> None:
    for name in HOOKS:
        assert re.search(r"Since \d+\.\d+", inspect.getdoc(getattr(hookspecs, name)) or ""), name


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_built_in_plugin_and_a_test(hook: str) -> None:
    for folders in (("loaders", "plugins"), ("tests",)):
        texts = [
            path.read_text(encoding="utf-8")
            for folder in folders
            for path in (ROOT / folder).rglob("*.py")
            if path != Path(__file__)
        ]
        assert any(f"def {hook}(" in text for text in texts), f"nothing in {folders} uses {hook}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_documentation_compiles(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        if not block.startswith("def jackfield_"):  # signatures of the reference
            compile(block, str(page), "exec")
