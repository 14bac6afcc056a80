"""Forms drawn from the JSON schema of a pydantic model."""

from jackfield.dashboard.forms.fields import FormField, read_fields
from jackfield.dashboard.forms.form import draw_form, forget

__all__ = ["FormField", "draw_form", "forget", "read_fields"]
