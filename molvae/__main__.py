"""`python -m molvae` is `molvae`."""

import os
import sys

if __name__ == "__main__":
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 - before any other import
        sys.path.pop(0)  # with -m, a random.py there would shadow Python's
    from molvae.cli.main import main

    main()
