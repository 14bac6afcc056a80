"""``python -m jackfield.worker``: the process of one model. Started by the host, not by people."""

from jackfield.worker.child import main

if __name__ == "__main__":
    main()
