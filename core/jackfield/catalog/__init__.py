"""Models on disk, and where to get more.

Import the parts from their modules: ``jackfield`` itself imports ``jackfield.catalog.source``, so
this file has to stay empty.
"""
