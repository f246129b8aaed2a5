"""``python -m xrlab``: the command line, where the command ``xrlab`` is not on the path."""

from xrlab.cli import run

if __name__ == "__main__":
    run()
