"""docs/howto/failing.rst in Chromium: from "it raised" to "sent again", and its pictures."""

import re

import pytest

pytestmark = pytest.mark.slow

ENVIRONMENT = {"TEST_FAILURES": "yes"}
GROUPS = "/admin/django_sqs_failures/failuregroup/"
SIZES = {"wide": 1280, "narrow": 390}


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


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("look", ["light", "dark"])
def test_from_it_raised_to_sent_again(failed, site, open_page, picture, eventually, size, look):
    page = open_page(GROUPS, width=SIZES[size], dark=look == "dark")
    picture(page, f"failing/groups-{look}-{size}")

    page.click("#result_list tbody tr:has-text('checkout') th a >> nth=0")
    assert "no rate for currency" in page.text_content(".sqs-pre")
    picture(page, f"failing/group-{look}-{size}")

    page.click(".sqs-latest tbody tr:has-text('waits here') a >> nth=0")
    page.click(".sqs-edit summary")
    body = page.input_value("#sqs-text")
    order = re.search(r'"order": ?(\d+)', body)[1]
    page.fill("#sqs-text", re.sub("GBX|XAU", "EUR", body))
    picture(page, f"failing/edit-{look}-{size}")

    page.click("text=Send this instead")
    page.wait_for_load_state()
    assert "Sent again: 1 message." in page.text_content("body"), page.text_content("body")
    picture(page, f"failing/sent-{look}-{size}")
    eventually(lambda: order in site.project.bodies("checkout"), timeout=30)
    assert page.errors == []
