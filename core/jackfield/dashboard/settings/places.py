"""Where the API answers, how to call it, and where data lies."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import streamlit as st

from jackfield.application import Application
from jackfield.security.hosts import is_loopback


def address(app: Application) -> str:
    """Where this server answers, as the browser reached it."""
    url = urlsplit(st.context.url or "")
    if url.netloc:
        return f"{url.scheme}://{url.netloc}"
    server = app.settings.value.server
    return f"http://{server.host}:{server.port}"


def draw_api(app: Application) -> None:
    """The API's address, and a call to copy."""
    base = address(app)
    names = app.catalog.writers()
    ready = [one.model for one in app.engine.residents() if one.state == "ready"]
    wished = [*ready, app.settings.value.chat.model, *names]
    model = next((one for one in wished if one in names), "smollm2")
    with st.container(border=True, key="settings-api"):
        st.subheader("API", anchor=False)
        st.write("Programs that speak to OpenAI's API can speak to this address instead:")
        st.code(f"{base}/v1", language=None)
        which = st.segmented_control(
            "Example",
            ["curl", "Python"],
            default="curl",
            required=True,
            key="settings:example",
            label_visibility="collapsed",
            persist_state="session",
        )
        body = json.dumps(
            {"model": model, "messages": [{"role": "user", "content": "Hello"}]}, indent=2
        )
        keyed = not is_loopback(app.server_at_start.host)
        if which == "curl":
            header = "  -H 'Authorization: Bearer KEY' \\\n" if keyed else ""
            st.code(
                f"curl {base}/v1/chat/completions \\\n{header}"
                f"  -H 'Content-Type: application/json' \\\n  -d '{body}'",
                language="bash",
            )
        else:
            st.code(_python(base, model, "KEY" if keyed else "none"), language="python")
        if keyed:
            st.caption(
                "For KEY put the key that was shown at the first start; it is kept with the "
                "other keys and passwords, see below."
            )
        st.caption(f"All that it can do is described at {base}/docs.")


def _python(base: str, model: str, key: str) -> str:
    return (
        "from openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{base}/v1", api_key="{key}")\n'
        "reply = client.chat.completions.create(\n"
        f'    model="{model}",\n'
        '    messages=[{"role": "user", "content": "Hello"}],\n'
        ")\n"
        "print(reply.choices[0].message.content)"
    )


def draw_places(app: Application) -> None:
    """Where data lies."""
    paths = app.paths
    places = {
        "Everything": paths.home,
        "Models": paths.models,
        "Plugins of one file": paths.plugins,
        "Chats": paths.database,
        "These settings": paths.settings,
        "Keys and passwords": paths.secrets,
        "Logs": paths.logs,
    }
    with st.container(border=True, key="settings-places"):
        st.subheader("Where things are", anchor=False)
        st.markdown("\n".join(f"- {name}: `{path}`" for name, path in places.items()))
        st.caption(
            "To keep it all elsewhere, start with --home FOLDER or set JACKFIELD_HOME. "
            "Light or dark follows your browser."
        )
        st.caption(f"Jackfield {app.version}")
