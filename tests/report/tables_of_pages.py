"""Reads the tables of a page."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img", "image", "rect", "line", "path", "use", "wbr", "br", "stop", "ellipse"}
VOID |= {"feColorMatrix".lower(), "feFuncR".lower(), "feFuncG".lower(), "feFuncB".lower(), "feFuncA".lower()}


class Tables(HTMLParser):
    """Every table as lines of texts, by the id of the heading above it; complains of tags that do not close."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.open: list[str] = []
        self.images: list[str] = []
        self._heading = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(str(said))
        if tag in ("h2", "h3"):
            self._heading = said.get("id", "")
        if tag == "table":
            self.tables[self._heading] = []
        if tag == "tr" and "table" in self.open:
            self.tables[self._heading].append([])
        if tag in ("td", "th"):
            self.tables[self._heading][-1].append("")

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID, tag

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.tables[self._heading][-1][-1] += " ".join(data.split())
