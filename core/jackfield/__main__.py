"""``python -m jackfield`` is the command ``jackfield``."""

from jackfield.cli import main

if __name__ == "__main__":
    main()
