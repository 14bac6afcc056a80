"""Reads files in a process of its own: what strangers wrote may crash or stall only that.

Run as ``python -m jackfield_plugins.reading``; see :mod:`jackfield_plugins.reading.__main__`. It
imports nothing of Jackfield, so that it starts quickly, and a library only when a file needs it.
"""
