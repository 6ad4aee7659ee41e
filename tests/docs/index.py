"""docs/index.md, made from the pages there are: ``python -m tests.docs.index [--write]``.

A page is listed under its folder with its first heading and the first sentence of its first paragraph.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "index.md"
KINDS = {
    "tutorial": "Learning: do this first",
    "how-to": "Doing: how to",
    "reference": "Looking up",
    "explanation": "Understanding",
    "": "About the project",
}
OPENING = """\
# flagmiddleware: documentation

Start with the [README](../README.md): a flag file and five minutes with your framework.
"""
CLOSING = """\
- [How it is measured](../benchmarks/README.md)
- [Contributing](../CONTRIBUTING.md)
- [Changes](../CHANGELOG.md)
"""


def entry(page: Path) -> str:
    text = re.sub(r"^<!--.*?-->\n", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    paragraph = re.search(r"^\n((?!```)[A-Z`*“\"].+?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    flat = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", " ".join(paragraph[1].split())) if paragraph else ""
    sentence = re.split(r"(?<=[.!?:]) ", flat)[0].rstrip(":")
    return f"- [{title[1] if title else page.stem}]({page.relative_to(DOCS)})" + (f": {sentence}" if sentence else "")


def render() -> str:
    parts = [OPENING]
    for folder, heading in KINDS.items():
        entries = [entry(page) for page in sorted((DOCS / folder).glob("*.md")) if page != PAGE]
        if entries:
            parts.append(f"\n## {heading}\n\n" + "\n".join(entries) + "\n")
    return "".join(parts) + CLOSING


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(render())
    else:
        print(render(), end="")
