"""Write docs/glossary.md and docs/cheat_sheet.md from xrlab/course/glossary.yaml."""

from pathlib import Path

from xrlab.course.glossary import cheat_sheet_markdown, glossary_markdown

DOCS = Path(__file__).parent.parent / "docs"


def pages() -> dict[str, str]:
    """Text of each page, by the name of its file."""
    return {"glossary.md": glossary_markdown(), "cheat_sheet.md": cheat_sheet_markdown()}


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote docs/{name}")
