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


def follow(page, selector):
    """Click, and have the page that it leads to."""
    with page.expect_navigation():
        page.click(selector)


def test_every_page_fits_and_is_accessible(shop, open_page, check, picture):
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


def test_the_pictures_are_shown_and_small():
    pictures = {str(each.relative_to(PICTURES)): each for each in PICTURES.rglob("*.webp")}
    texts = [page.read_text() for page in (ROOT / "docs").rglob("*.rst")]
    shown = {name for text in texts for name in re.findall(r"images/(\S+\.webp)", text)}
    sizes = {name: file.stat().st_size for name, file in pictures.items()}

    assert {*pictures} == shown
    assert {name: size for name, size in sizes.items() if size > MOST} == {}
    assert sum(sizes.values()) < MOST_OF_ALL
