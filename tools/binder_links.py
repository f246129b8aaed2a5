"""Print the Markdown of the Binder badges, and the link for a workshop.

A workshop's link takes the environment from a release, whose image Binder has built long before,
and the notebooks by nbgitpuller from the branch as it is on the day: a correction on the eve of
the class costs no new image.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from xrlab import __version__

REPOSITORY = "xrlab/xrlab"  # its place on GitHub: change it here when the project moves
BRANCH = "main"
RELEASE = f"v{__version__}"  # the tag whose image a workshop uses
START = "notebooks/00_start_here.ipynb"
PAGE = "notebooks/08_interpret_your_own.ipynb"
CONTENT = "course"  # folder of pulled notebooks; "xrlab" is taken there, by the package
BADGE = "https://mybinder.org/badge_logo.svg"
PAGE_BADGE = "https://img.shields.io/badge/Binder-interpretation_page-579aca"


def binder(path: str, reference: str = "HEAD") -> str:
    """Return the address that starts a session of a branch, tag or commit and opens a path."""
    return f"https://mybinder.org/v2/gh/{REPOSITORY}/{reference}?urlpath={quote(path, safe='')}"


def lab(notebook: str) -> str:
    """Return the address of a notebook in JupyterLab."""
    return binder(f"lab/tree/{notebook}")


def page(notebook: str) -> str:
    """Return the address of a notebook served by Voila."""
    return binder(f"voila/render/{notebook}")


def workshop(notebook: str) -> str:
    """Return the address of a notebook as it is today, in the environment of the release."""
    pull = {
        "repo": f"https://github.com/{REPOSITORY}",
        "branch": BRANCH,
        "targetPath": CONTENT,
        "urlpath": f"lab/tree/{CONTENT}/{notebook}",
    }
    return binder(f"git-pull?{urlencode(pull)}", RELEASE)


def on_github(text: str) -> str:
    """Lead the links of a notebook to the documentation to GitHub, where it is not beside it."""
    return text.replace("](../docs/", f"](https://github.com/{REPOSITORY}/blob/{BRANCH}/docs/")


def badges() -> str:
    """Return the two badges as a line of Markdown."""
    return (
        f"[![Open the course on Binder]({BADGE})]({lab(START)})\n"
        f"[![Open the interpretation page on Binder]({PAGE_BADGE})]({page(PAGE)})"
    )


if __name__ == "__main__":
    print(f"{badges()}\n\nfor a workshop: {workshop(START)}")
