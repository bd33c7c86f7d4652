"""The documentation as a reader has it: from a file server, on a phone, light and dark."""

import functools
import http.server
import threading
import urllib.parse
from html.parser import HTMLParser

import pytest

pytestmark = pytest.mark.slow

#: What does not fit, unless something around it scrolls; and images that say nothing.
LOOK = """() => {
    const width = document.documentElement.clientWidth;
    const scrolls = e => e !== document.body && (
        getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
    const wide = [...document.querySelectorAll("article *")].filter(e => {
        const box = e.getBoundingClientRect();
        return box.width && box.right > width + 1 && !scrolls(e.parentElement);
    });
    return {
        over: document.documentElement.scrollWidth - width,
        wide: wide.slice(0, 3).map(e => e.outerHTML.slice(0, 200)),
        mute: [...document.images].filter(i => !i.alt.trim()).map(i => i.src),
        broken: [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src),
    };
}"""


class Links(HTMLParser):
    """Where a page leads to, and the places in it that one can be led to."""

    def __init__(self, page):
        super().__init__()
        self.targets, self.places = [], {"", "top"}
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.places.add(attributes.get("id"))
        for name in ("href", "src"):
            if name in attributes:
                self.targets.append(attributes[name])


@pytest.fixture(scope="session")
def docs_url(built_docs):
    """A file server with the documentation, as ``python -m http.server`` is one."""
    handler = functools.partial(Quiet, directory=built_docs)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, *arguments):
        """Nothing."""


@pytest.fixture
def read(browser, docs_url):
    """A page of the documentation in a browser: read(path)."""
    contexts = []

    def read(path="index.html"):
        context = browser.new_context(viewport={"width": 390, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(f"{docs_url}/{path}")
        return page

    yield read
    for context in contexts:
        context.close()


def names(built_docs):
    return sorted(str(page.relative_to(built_docs)) for page in built_docs.rglob("*.html"))


def test_no_link_within_it_is_broken(built_docs):
    known = {page: Links(built_docs / page) for page in names(built_docs)}
    broken = []
    for page, links in known.items():
        for target in links.targets:
            parts = urllib.parse.urlsplit(urllib.parse.urljoin(f"docs:/{page}", target))
            name = urllib.parse.unquote(parts.path.lstrip("/"))
            if parts.scheme != "docs":
                continue
            place = urllib.parse.unquote(parts.fragment)
            if not (built_docs / name).is_file() or (
                place and place not in getattr(known.get(name), "places", ())
            ):
                broken.append((page, target))

    assert len(known) > 40
    assert sum(len(links.targets) for links in known.values()) > 1000
    assert broken == []


def test_every_page_fits_a_phone_and_every_image_says_what_it_shows(built_docs, docs_url, read):
    page = read()
    faults = {}
    for name in names(built_docs):
        page.goto(f"{docs_url}/{name}")
        found = page.evaluate(LOOK)
        if found["over"] > 0 or found["wide"] or found["mute"] or found["broken"]:
            faults[name] = found

    assert faults == {}
    assert page.errors == []
    assert [url for url in page.asked if not url.startswith(docs_url)] == [], "works without a net"


def test_a_page_is_accessible_light_and_dark(read):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = read("howto/failing.html")

    for look, other in ("light", "dark"), ("dark", "light"):
        page.emulate_media(color_scheme=look)
        # What is around an article is the theme's.
        found = axe.run(page, context="article").response["violations"]
        images = [i for i in page.locator("article img").all() if i.is_visible()]

        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], look
        assert images
        assert not any(f"-{other}" in image.get_attribute("src") for image in images)


@pytest.mark.parametrize(
    ("word", "page"),
    [
        ("idempotent", "howto/idempotency.html"),
        ("cron", "howto/schedules.html"),
        ("Windows", "platforms.html"),
        ("troubleshooting", "troubleshooting.html"),
        ("SQS_POLL_MAX_IDLE", "reference/settings.html"),
    ],
)
def test_the_search_finds(read, word, page):
    found = read(f"search.html?q={word}")

    found.wait_for_selector(".search-summary:has-text('found')")

    assert found.locator(f"#search-results a[href*='{page}']").count()
    assert found.errors == []
