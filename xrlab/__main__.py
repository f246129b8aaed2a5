"""``python -m xrlab``: the command line, where the command ``xrlab`` is not on the path."""

import sys

from xrlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
