"""Link the first mention of every symbol in the text of each notebook to the glossary.

Run it after a notebook was written or changed; what is linked already stays as it is.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from xrlab.course.glossary import link_symbols

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def linked(notebook: str) -> str:
    """Return the text of a notebook's file with its symbols linked."""
    content = json.loads(notebook)
    texts = [cell for cell in content["cells"] if cell["cell_type"] == "markdown"]
    found = set(re.findall(r"docs/glossary\.md#([\w-]+)", notebook))
    for cell in texts:
        cell["source"] = link_symbols("".join(cell["source"]), found).splitlines(keepends=True)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "notebooks", type=Path, nargs="*", help="all of the series if none is named"
    )
    for path in parser.parse_args(arguments).notebooks or sorted(NOTEBOOKS.glob("*.ipynb")):
        before = path.read_text(encoding="utf-8")
        after = linked(before)
        if after != before:
            path.write_text(after, encoding="utf-8", newline="\n")
            print(f"linked symbols in {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
