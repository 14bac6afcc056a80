"""Jackfield as an ASGI application: ``streamlit run streamlit_app.py`` or any ASGI server.

``jackfield serve`` runs the same with safer defaults and clearer errors.
"""

from jackfield.server import build_app

app = build_app()
