"""Methods as tools, in a module whose annotations are not evaluated, as plugins often are."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from jackfield import tool


class Shelf:
    def find(self, title: Annotated[str, Field(description="Of a book")], copies: int = 1) -> str:
        """Find a book."""
        return f"{copies} of {title}"

    async def fetch(self, title: str) -> str:
        """Fetch a book."""
        return title.upper()


def test_a_method_becomes_a_tool_with_its_schema_and_checks() -> None:
    found = tool(Shelf().find)
    assert (found.name, found.description) == ("find", "Find a book.")
    assert found.parameters["properties"] == {
        "title": {"type": "string", "description": "Of a book"},
        "copies": {"type": "integer", "default": 1},
    }
    assert found.parameters["required"] == ["title"]
    assert found.run({"title": "Emma", "copies": 2}) == "2 of Emma"
    with pytest.raises(ValueError, match="valid integer"):
        found.run({"title": "Emma", "copies": "many"})


async def fetched() -> str:
    answer = tool(Shelf().fetch).run({"title": "Emma"})
    assert not isinstance(answer, str)
    return await answer


def test_a_method_may_be_asynchronous() -> None:
    import anyio

    assert anyio.run(fetched) == "EMMA"
