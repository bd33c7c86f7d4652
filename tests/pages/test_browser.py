"""The pages in headless Chromium: what is seen, narrow and wide, dark and light, and by whom."""

import pytest

from .conftest import shoot

pytestmark = pytest.mark.slow

LIST = "/admin/django_sqs_monitor/queuereport/"


@pytest.fixture
def busy(send, worker, eventually, open_page):
    """Queues in which something happens."""
    send(
        "django_sqs.send_many('light', ['x'] * 30); django_sqs.send('broken', body='bad');"
        "django_sqs.send_many('watched', ['one', 'two']);"
        "django_sqs.send('typed', body={'a': 'word ' * 60}, attributes={'mine': 'x'})"
    )
    page = open_page(LIST)
    row = "tr:has(a:text-is('light'))"

    def seen():
        page.reload()
        return not page.locator(f"{row} svg[aria-label^='0 messages']").count()

    eventually(seen, timeout=40)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_all_pages_are_accessible_and_fit(busy, open_page, eventually, tmp_path, width, dark):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(LIST, width=width, dark=dark)
    look = f"{'dark' if dark else 'light'}-{width}"

    def check(name):
        shoot(page, tmp_path, f"{name}-{look}")
        found = axe.run(page)
        # Ours alone: the rest of the page is Django's.
        ours = [
            (violation["id"], node["html"])
            for violation in found.response["violations"]
            for node in violation["nodes"]
            if page.locator(".sqs").count()
            and any(
                page.evaluate(
                    "s => { const e = document.querySelector(s); return !!e?.closest('.sqs') }",
                    selector,
                )
                for selector in node["target"]
                if isinstance(selector, str)
            )
        ]
        assert ours == [], f"{name} {look}"
        overflow = page.evaluate(
            "(s => s.scrollWidth - s.clientWidth)(document.querySelector('.sqs'))"
        )
        assert overflow <= 0, f"{name} {look}"
        assert page.errors == []

    check("list")
    page.click("a:text-is('typed')")
    page.click("button:text('Look at messages')")
    page.wait_for_selector("caption:text('Messages')")
    check("queue")
    page.goto(page.url.replace("typed/peek/", "watched/"))
    page.click("button:text('Redrive')")
    page.wait_for_selector("text=Yes, go on")
    check("confirm")
    page.goto(f"{page.url.partition('/admin/')[0]}{LIST}queue/watched/")
    page.click("button:text-is('Pause')")
    page.fill("#sqs-reason", "The payment service is away, see the incident of today")
    check("pause")
    page.click("text=Yes, go on")
    page.wait_for_selector("text=Queue watched is paused")
    # Of a busy server it may not be known in time for the page.
    eventually(lambda: page.reload() and page.locator("text=No worker receives from it.").count())
    check("paused")
    page.goto(f"{page.url.partition('/admin/')[0]}{LIST}")
    check("list-paused")
    page.click("a:text-is('watched')")
    page.click("button:text-is('Resume')")
    page.click("text=Yes, go on")
    page.wait_for_selector("text=Queue watched is resumed")


def test_the_list_refreshes_itself(open_page, send, worker):
    page = open_page(LIST)
    before = page.locator("tr:has(a:text-is('copy'))").inner_text()
    send("django_sqs.send_many('copy', ['x'] * 3)")

    page.wait_for_function(
        "before => [...document.querySelectorAll('tr')]"
        ".find(r => r.querySelector('a')?.textContent === 'copy').innerText !== before",
        arg=before,
        timeout=25_000,
    )

    assert page.errors == []
    assert page.locator("[data-refresh]").count() == 1


def test_without_javascript_it_works_and_asks_for_a_refresh(open_page):
    page = open_page(LIST, java_script_enabled=False)

    assert page.locator(".sqs caption").first.inner_text() == "Queues"
    assert 'http-equiv="refresh"' in page.content()


def test_a_person_moves_messages(open_page, send, site):
    send("django_sqs.send_many('restart', ['a', 'b'])")
    page = open_page(f"{LIST}queue/restart/")

    page.select_option("#sqs-target", "second")
    page.click("button:text-is('Move')")
    page.click("text=Yes, go on")

    page.wait_for_selector("text=Moved 2 messages from restart to second.")


def test_it_is_in_the_admins_navigation(open_page):
    page = open_page("/admin/")

    page.click("#content a:text-is('Queues')")

    assert page.url.endswith(LIST)
    assert page.locator("nav.breadcrumbs").inner_text().replace("\n", " ").endswith("Queues")
