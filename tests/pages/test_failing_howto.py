"""docs/howto/failing.rst in Chromium: from "it raised" to "sent again", and its pictures.

``make pictures`` writes them; without it they are made and thrown away.
"""

import base64
import os
import re
from pathlib import Path

import pytest

from ..project import ROOT

pytestmark = pytest.mark.slow

ENVIRONMENT = {"TEST_FAILURES": "yes"}
GROUPS = "/admin/django_sqs_failures/failuregroup/"
PICTURES = ROOT / "docs" / "images" / "failing"
#: What a picture shows of a page, from its top: width and height.
SIZES = {"wide": (1280, 760), "narrow": (390, 760)}
#: Bytes of all pictures together.
MOST = 1_000_000


def noted(site):
    """How many failures are written down."""
    statement = "SELECT count(*) AS n FROM django_sqs_failures_failure"
    return site.project.rows("django_sqs_failures", statement)[0]["n"]


@pytest.fixture
def failed(site, send, eventually):
    """Orders that a receiver has failed on, some in a currency that it does not know."""
    orders = [{"order": n, "currency": ("GBX", "EUR", "XAU")[n % 3]} for n in range(4711, 4729)]
    before = noted(site)
    worker = site.project.start("runreceiver", "checkout", "broken", "--processes=1")
    send(
        f"django_sqs.send_many('checkout', {orders!r})\n"
        "django_sqs.send('broken', body='out of stock')"
    )
    # All of them, so that nobody writes any more while somebody clicks.
    eventually(lambda: noted(site) == before + 13, timeout=40)
    yield
    worker.end()


@pytest.fixture
def picture(tmp_path):
    """Keep what a page looks like, as WebP, which is small."""
    folder = Path(os.environ.get("PICTURES", tmp_path))

    def picture(page, name, look, size):
        width, height = SIZES[size]
        shown = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        asked = {"format": "webp", "quality": 70, "clip": shown}
        session = page.context.new_cdp_session(page)
        image = base64.b64decode(session.send("Page.captureScreenshot", asked)["data"])
        assert image[8:12] == b"WEBP"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}-{look}-{size}.webp").write_bytes(image)

    return picture


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("look", ["light", "dark"])
def test_from_it_raised_to_sent_again(failed, site, open_page, picture, eventually, size, look):
    page = open_page(GROUPS, width=SIZES[size][0], dark=look == "dark")
    picture(page, "groups", look, size)

    page.click("#result_list tbody tr:has-text('checkout') th a >> nth=0")
    assert "no rate for currency" in page.text_content(".sqs-pre")
    picture(page, "group", look, size)

    page.click(".sqs-latest tbody tr:has-text('waits here') a >> nth=0")
    page.click(".sqs-edit summary")
    body = page.input_value("#sqs-text")
    order = re.search(r'"order": ?(\d+)', body)[1]
    page.fill("#sqs-text", re.sub("GBX|XAU", "EUR", body))
    picture(page, "edit", look, size)

    page.click("text=Send this instead")
    page.wait_for_load_state()
    assert "Sent again: 1 message." in page.text_content("body"), page.text_content("body")
    picture(page, "sent", look, size)
    eventually(lambda: order in site.project.bodies("checkout"), timeout=30)
    assert page.errors == []


def test_the_pictures_are_there_and_small():
    pictures = sorted(PICTURES.glob("*.webp"))
    shown = (ROOT / "docs" / "howto" / "failing.rst").read_text()

    assert {each.name for each in pictures} == set(re.findall(r"failing/(\S+\.webp)", shown))
    assert sum(each.stat().st_size for each in pictures) < MOST
