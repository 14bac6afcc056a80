"""What is kept for one model: another name, a chat template, an agent description."""

from __future__ import annotations

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.model import CatalogModel
from jackfield.dashboard.forms import draw_form, forget
from jackfield.dashboard.models.saving import save, saved_for
from jackfield.dashboard.notices import notify
from jackfield.dashboard.words import show_error
from jackfield.errors import JackfieldError
from jackfield.settings import ModelSettings

KEPT = ("alias", "template", "system_prompt")


def draw_keeping(app: Application, model: CatalogModel) -> None:
    """The form of what is kept for a model besides its load options."""
    prefix = f"models:keep:{model.name}"
    kept = saved_for(app, model.name)
    failed: JackfieldError | None = st.session_state.get(f"{prefix}:failed")
    errors: dict[str, str] = failed.details.get("errors", {}) if failed is not None else {}
    values = draw_form(
        _schema(app, model),
        {name: getattr(kept, name) for name in KEPT},
        prefix=prefix,
        errors=errors,
        only=KEPT,
        answer="ignore",
    )
    if failed is not None and not errors:
        show_error(failed)
    if model.format == "gguf" and not model.chat_template and not kept.template:
        st.warning(
            "This model has no chat template of its own, so it does not say how a conversation is "
            "to be written for it. Choose the one its makers used before you chat with it.",
            icon=":material/warning:",
        )
    if not st.button("Save", key=f"{prefix}:save", icon=":material/bookmark:"):
        return
    error = save(app, model.name, {name: values[name] for name in KEPT})
    if error is not None:
        st.session_state[f"{prefix}:failed"] = error
    else:
        st.session_state.pop(f"{prefix}:failed", None)
        forget(prefix)
        notify(f"Saved for {model.name}.")
    st.rerun()


def _schema(app: Application, model: CatalogModel) -> dict[str, object]:
    """The settings' own schema, with the templates there are as choices."""
    schema = ModelSettings.model_json_schema()
    templates = app.templates.names()
    bare = model.format == "gguf" and not model.chat_template
    own = "None chosen" if bare else "The model's own"
    kept = saved_for(app, model.name).template
    names = {"": own, **{one.name: one.title for one in templates}}
    if kept not in names:
        names[kept] = f"{kept} (its plugin is off)"
    properties = schema["properties"]
    properties["alias"]["title"] = "Another name"
    properties["system_prompt"]["title"] = "Agent description"
    properties["template"] |= {"title": "Chat template", "enum": list(names), "names": names}
    return schema
