"""The inspector of a reply."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from jackfield.dashboard.inspector import difference


def script() -> None:
    from jackfield.dashboard import inspector
    from jackfield.messages import UsageEvent
    from jackfield.trace import Trace, TraceLine

    inspector.draw(
        Trace(
            "t1",
            model="smollm2",
            loader="gguf",
            lines=[
                TraceLine("clock", "before_turn", 0.25, False),
                TraceLine("redact", "transform_input", 1.5, True, "call 555", "call [hidden]"),
                TraceLine("limits", "modify_sampling", 0.5, False, error="it broke"),
            ],
            prompt="<|im_start|>user\ncall [hidden]",
            sampling={"temperature": 0.2},
            dropped=["the 2 oldest messages: the context is full"],
            usage=UsageEvent(10, 20, 5, 0.25, 2.0, 2048),
            error="The worker ended.",
        )
    )


def test_a_trace_is_drawn_step_by_step() -> None:
    app = AppTest.from_function(script, default_timeout=30).run()
    assert not app.exception
    steps = [one.value for one in app.markdown] + [one.label for one in app.expander]
    assert any("1. **clock** · Before the turn · 0.2 ms" in step for step in steps)
    assert any(
        "2. **redact** · Your message · 1.5 ms :green-badge[changed]" in one for one in steps
    )
    assert any("3. **limits**" in one and "failed" in one for one in steps)
    errors = [one.value for one in app.error]
    assert "it broke" in errors
    assert "The worker ended." in errors
    assert any("oldest messages" in one.value for one in app.warning)
    codes = [one.value for one in app.code]
    assert "-call 555\n+call [hidden]" in codes
    assert "<|im_start|>user\ncall [hidden]" in codes


def test_a_difference_keeps_what_is_around_it() -> None:
    assert difference("a\nb\nc", "a\nB\nc") == " a\n-b\n+B\n c"
