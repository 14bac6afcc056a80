import pytest

from jackfield import message
from jackfield.errors import JackfieldError
from jackfield.testing import Workbench


def test_a_plugin_can_have_a_text_written_that_is_kept_nowhere() -> None:
    with Workbench(replies=["Written."]) as bench:
        ask = bench.app.pipeline.ask
        text = bench.app.portal.call(ask, "fake-model", [message("user", "Write")])
        assert text == "Written."
        assert bench.app.conversations.list() == []
        with pytest.raises(JackfieldError, match="no model 'gone'"):
            bench.app.portal.call(ask, "gone", [message("user", "Write")])
