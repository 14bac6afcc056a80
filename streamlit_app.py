"""Jackfield as an ASGI application, for ``streamlit run streamlit_app.py`` and other servers.

``jackfield serve`` runs the same with clearer errors; see the how-to guides.
"""

from streamlit.starlette import App

from jackfield.server import SCRIPT, app_parts

app = App(SCRIPT, **app_parts())  # Streamlit looks for a call of App in this file's text
