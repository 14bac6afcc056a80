"""Speech: engines that speak and listen, and what the user does with them.

Each engine is a plugin of its own module here; :mod:`jackfield_plugins.speech.plugin` is the
user's side, over whatever engines there are.
"""
