"""`python -m molvae` is `molvae`."""

import os
import sys

if __name__ == "__main__":
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 - before any other import
        sys.path.pop(0)  # where -m looks first: a random.py that lies there is not Python's
    from molvae.cli.main import main

    main()
