"""Loaders that come with Jackfield; they use only its public names."""
