"""Workers: a process of its own for every loaded model, and the frames spoken with it.

:mod:`jackfield.worker.host` is the server's side, :mod:`jackfield.worker.child` the model's.
"""
