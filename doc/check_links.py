"""Check the built pages: ``python doc/check_links.py doc/_build/html``; no network.

Each link within the pages must lead to a file, and to a place in it if it names one.
Each picture must be there. Each name of skrnn that is marked as a reference must be a
link.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links, the places and the names without a link of one page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.places, self.names = [], set(), []
        self._in_link = self._in_name = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note the id and the link of a tag."""
        attrs = dict(attrs)
        self.places |= {attrs.get("id"), attrs.get("name")}
        link = attrs.get("src") if tag in ("img", "script") else None
        if tag == "a" and attrs.get("href") is not None:
            link, self._in_link = attrs["href"], True
        if link is not None:
            self.links.append(link)
        classes = (attrs.get("class") or "").split()
        self._in_name = tag == "code" and "xref" in classes and not self._in_link

    def handle_startendtag(self, tag, attrs):
        """Note a tag that holds nothing."""
        self.handle_starttag(tag, attrs)
        self._in_link = False

    def handle_endtag(self, tag):
        """Leave a link or a name."""
        self._in_link = self._in_link and tag != "a"
        self._in_name = self._in_name and tag != "code"

    def handle_data(self, data):
        """Note what is marked as a name and is no link."""
        if self._in_name and data.startswith("skrnn"):
            self.names.append(data)


def find_broken(root):
    """Yield a line for each broken link of the pages under a folder."""
    paths = [p for p in root.rglob("*.html") if "_static" not in p.parts]
    pages = {path.resolve(): Page(path) for path in paths}
    for path, page in pages.items():
        here = path.relative_to(root.resolve())
        yield from (f"{here}: nothing is called {name}" for name in page.names)
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
            if not target.exists():
                yield f"{here}: {link} leads nowhere"
            elif parts.fragment and target in pages:
                if unquote(parts.fragment) not in pages[target].places | {"top"}:
                    yield f"{here}: {link} has no such place"


if __name__ == "__main__":
    broken = sorted(set(find_broken(Path(sys.argv[1]))))
    print("\n".join(broken) or "All links within the pages lead somewhere.")
    sys.exit(bool(broken))
