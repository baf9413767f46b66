"""`python -m molvae` is `molvae`."""

from molvae.cli.main import main

if __name__ == "__main__":
    main()
