"""Every page of the admin, from a phone to a wide screen, light and dark, and its pictures.

``make pictures`` keeps the pictures; otherwise they are made and thrown away.
"""

import re

import pytest

from ..project import ROOT
from .conftest import shoot

pytestmark = pytest.mark.slow

ENVIRONMENT = {
    "TEST_FAILURES": "yes",
    "TEST_TIME_ZONE": "Europe/Berlin",
    "DJANGO_SETTINGS_MODULE": "tests.pages.shop.settings",
}
QUEUES = "/admin/django_sqs_monitor/queuereport/"
QUEUE = f"{QUEUES}queue/orders/"
LISTS = {
    "failures": "failures/failure",
    "outbox": "outbox/outboxmessage",
    "inbox": "inbox/receivedmessage",
    "results": "results/taskrecord",
    "schedules": "schedules/knownschedule",
    "slots": "schedules/slot",
    "tickets": "tickets/usedticket",
    "keys": "tickets/uniquekey",
}
WIDTHS = (360, 768, 1600)
#: What is wider than its box and cannot be scrolled to, or sticks out of the page.
CUT = """() => {
  const width = document.documentElement.clientWidth;
  const overflow = e => getComputedStyle(e).overflowX;
  const scrolls = e => e && (['auto', 'scroll'].includes(overflow(e)) || scrolls(e.parentElement));
  const hides = e => overflow(e) !== 'visible' && e.clientWidth > 1 && !scrolls(e);
  return [...document.querySelectorAll('#container *')]
    .filter(e => e.checkVisibility() && (e.textContent.trim() || e.matches('input')))
    .filter(e => (hides(e) || e.matches('button, input, select')) && e.scrollWidth > e.clientWidth
      || e.getBoundingClientRect().right > width + 1 && !scrolls(e))
    .map(e => e.outerHTML.slice(0, 200));
}"""
#: What names a row of a list and cannot be seen whole without scrolling.
HIDDEN = """() => [...document.querySelectorAll('#result_list tbody th')]
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth)
  .map(e => e.textContent)"""
#: Rows of the queues, the workers and the outbox that are taller than what they say needs.
TALL = """() => [
  ...document.querySelectorAll('table:has(.sqs-sparkline) tbody tr, #workers tbody tr'),
  ...document.querySelectorAll('#result_list tr:has(.field-trouble)'),
].map(e => [e.clientHeight, e.innerText])
  .filter(([height, text]) => height > (text.includes('Endpoint') ? 160 : 75))"""
#: Post to a path, as a form of the page would.
POST = """([path, fields]) => {
  const form = document.createElement('form');
  const token = document.querySelector('[name=csrfmiddlewaretoken]').value;
  for (const [name, value] of Object.entries({csrfmiddlewaretoken: token, ...fields})) {
    form.append(Object.assign(document.createElement('input'), {type: 'hidden', name, value}));
  }
  document.body.append(Object.assign(form, {method: 'post', action: path}));
  form.submit();
}"""
#: Django's own, of which axe has things to say: a search without a label, links that only their
#: colour shows.
DJANGOS = ("#searchbar", "a[href='?']", "div.breadcrumbs")
PICTURES = ROOT / "docs" / "images"
#: Bytes of one picture, and of all.
MOST, MOST_OF_ALL = 80_000, 1_500_000


@pytest.fixture
def shop(site, eventually):
    """The shop, in which something has happened."""
    done = site.project.run("shell", "-c", "from tests.pages.shop.story import tell; tell()")
    assert done.popen.returncode == 0, done.output
    worker = site.project.start("runreceiver", "orders", "mails", "--processes=1")
    eventually(lambda: rows(site, "failures_failure") == 4, timeout=40)
    eventually(lambda: rows(site, "inbox_receivedmessage") == 10, timeout=40)
    worker.end()


def rows(site, table):
    statement = f"SELECT count(*) AS n FROM django_sqs_{table}"
    return site.project.rows("default", statement)[0]["n"]


@pytest.fixture
def check(tmp_path, picture):
    """Look at a page as different people do: check(page, name); *height* is a picture's."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def check(page, name, *, height=None):
        # Colours that still change would be judged, and shown, halfway.
        page.add_style_tag(content="* { transition: none !important; }")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            over = page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.documentElement)")
            assert over <= 0, f"{name} at {width}"
            assert page.evaluate(HIDDEN) == [], f"{name} at {width}"
            assert page.evaluate(TALL) == [], f"{name} at {width}"
        for width, look in (360, "light"), (1280, "dark"):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=look)
            shoot(page, tmp_path, f"{name}-{width}")
            assert faults(axe, page) == [], f"{name}, {look}"
        if height is not None:
            picture(page, f"admin/{name}-dark", height)
            page.emulate_media(color_scheme="light")
            picture(page, f"admin/{name}-light", height)
        assert page.errors == []

    return check


def faults(axe, page):
    """What axe finds, but in what is Django's own."""
    found = axe.run(page, context={"exclude": [[each] for each in DJANGOS]})
    return [
        (violation["id"], node["html"])
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


@pytest.fixture
def check_german(open_page, tmp_path):
    """Look at pages on a phone in German, whose words are long; one with fields is posted."""

    def check_german(pages):
        page = open_page(QUEUES, width=360, locale="de-DE")
        base = page.url.partition("/admin/")[0]
        for name, path, fields in pages:
            with page.expect_navigation():
                if fields is None:
                    page.evaluate("path => { location = path }", base + path)
                else:
                    page.evaluate(POST, [path, fields])
            assert page.get_attribute("html", "lang") == "de"
            shoot(page, tmp_path, f"{name}-german")
            over = page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.documentElement)")
            assert (over, page.evaluate(CUT)) == (0, []), name
        assert page.errors == []

    return check_german


def follow(page, selector):
    """Click, and have the page that it leads to."""
    with page.expect_navigation():
        page.click(selector)


def test_every_page_fits_and_is_accessible(shop, open_page, check, check_german, picture):
    page = open_page(QUEUES)
    base = page.url.partition("/admin/")[0]
    check(page, "queues", height=760)
    page.set_viewport_size({"width": 390, "height": 760})
    picture(page, "admin/queues-phone")
    page.goto(base + QUEUE)
    check(page, "queue", height=760)
    follow(page, "button:text-is('Look at dead letters')")
    page.wait_for_selector("caption:text-is('Dead letters')")
    check(page, "dead-letters", height=760)
    follow(page, "button:text-is('Redrive dead letters')")
    page.wait_for_selector(r"text=/Move the \d+ dead letters? of orders back into it\?/")
    check(page, "confirm")
    page.goto(base + QUEUE)
    follow(page, "button:text-is('Pause')")
    page.fill("#sqs-reason", "The payment service is away, see the incident of today")
    check(page, "pause")
    follow(page, "text=Yes, go on")
    page.wait_for_selector("text=Queue orders is paused")
    check(page, "paused")
    follow(page, "a:text-is('History')")
    check(page, "history")
    page.goto(base + QUEUE)
    follow(page, "button:text-is('Resume')")
    follow(page, "text=Yes, go on")
    page.wait_for_selector("text=Queue orders is resumed")

    page.goto(f"{base}/admin/django_sqs_failures/failuregroup/")
    check(page, "groups")
    follow(page, "#result_list tr:has-text('mails') th a")
    check(page, "group")
    follow(page, "button:text-is('Discard all 2')")
    check(page, "discard")
    for name, model in LISTS.items():
        page.goto(f"{base}/admin/django_sqs_{model}/")
        check(page, name, height=440)
        follow(page, "#result_list tbody tr:last-child th a")
        check(page, f"{name}-one")
        # There is nothing to save.
        assert page.locator("[name=_save]").count() == 0, name
    page.goto(f"{base}/admin/django_sqs_failures/failure/?state__exact=in_queue")
    follow(page, "#result_list tbody tr:last-child th a")
    page.wait_for_selector("a:text-is('Redrive the dead letters of orders')")
    check(page, "left")
    check_german(german_pages())


def german_pages():
    """Of each kind of page one: its name, its path and what is posted to it."""
    groups = "/admin/django_sqs_failures/failuregroup/"
    yield "queues", QUEUES, None
    yield "queue", QUEUE, None
    yield "dead-letters", f"{QUEUE}peek/", {"dead": "yes"}
    for action in ("redrive", "move", "pause", "purge"):
        yield action, f"{QUEUE}{action}/", {"target": "mails"}
    yield "history", f"{QUEUES}orders/history/", None
    yield "paused", f"{QUEUE}pause/", {"confirmed": "yes", "reason": "Zahlungsdienst fort"}
    yield "groups", groups, None
    yield "group", f"{groups}1/change/", None
    for name, model in LISTS.items():
        yield name, f"/admin/django_sqs_{model}/", None
    yield "failure", "/admin/django_sqs_failures/failure/1/change/", None


def test_the_pictures_are_shown_and_small():
    pictures = {str(each.relative_to(PICTURES)): each for each in PICTURES.rglob("*.webp")}
    texts = [page.read_text() for page in (ROOT / "docs").rglob("*.rst")]
    shown = {name for text in texts for name in re.findall(r"images/(\S+\.webp)", text)}
    sizes = {name: file.stat().st_size for name, file in pictures.items()}

    assert {*pictures} == shown
    assert {name: size for name, size in sizes.items() if size > MOST} == {}
    assert sum(sizes.values()) < MOST_OF_ALL
