"""Chat templates: the model's own, named ones, overrides; rendered in a sandbox."""
