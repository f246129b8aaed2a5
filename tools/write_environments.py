"""Write environment.yml and binder/environment.yml from requirements.lock.

Both list every package at the version of the lock, less the tools that only tests need, so that
conda and Binder install what the Makefile installs.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = """\
# Written by tools/write_environments.py from requirements.lock; do not edit.
name: xrlab
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def test_only_packages() -> set[str]:
    """Names under the extra "test" in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["optional-dependencies"]["test"]
    return {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in wanted} - {"xrlab"}


def runtime_pins() -> list[str]:
    """Lines of the lock, name==version ; marker, of packages that somebody besides tests needs."""
    tests = test_only_packages()
    pins: dict[str, str] = {}
    needed_by: dict[str, set[str]] = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            name = line.split("==")[0]
            pins.setdefault(line, name)
            needed_by.setdefault(name, set())
        elif line.startswith("    #"):
            user = line.replace("# via", "#").split("#")[1].strip()
            if user:
                needed_by[name].add(user.split(" ")[0])
    dropped = set(tests)
    while more := {n for n, users in needed_by.items() if users and users <= dropped} - dropped:
        dropped |= more
    return [line for line, name in pins.items() if name not in dropped]


def environment() -> str:
    """Text of both files."""
    return HEAD + "".join(f"      - {pin}\n" for pin in runtime_pins())


if __name__ == "__main__":
    for path in (ROOT / "environment.yml", ROOT / "binder" / "environment.yml"):
        path.write_text(environment(), encoding="utf-8", newline="\n")
        print(f"wrote {path.relative_to(ROOT)}")
