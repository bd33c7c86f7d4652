"""The list of queues in Chromium: it stays fresh, and a person finds and moves messages."""

import pytest

from .conftest import shoot

pytestmark = pytest.mark.slow

LIST = "/admin/django_sqs_monitor/queuereport/"
REGION = "document.querySelector('.sqs-scroll')"


def test_the_list_refreshes_itself_and_nobody_loses_their_place(open_page, send, worker):
    page = open_page(LIST, width=390)
    before = page.locator("tr:has(a:text-is('copy'))").inner_text()
    page.focus(".sqs-scroll a:text-is('copy')")
    scrolled = page.evaluate(f"({REGION}.scrollLeft = 70, {REGION}.scrollLeft)")
    send("django_sqs.send_many('copy', ['x'] * 3)")

    # As somebody does who comes back to it; who stays waits for ten seconds.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function(
        "before => [...document.querySelectorAll('tr')]"
        ".find(r => r.querySelector('a')?.textContent === 'copy').innerText !== before",
        arg=before,
        timeout=25_000,
    )

    assert page.errors == []
    assert page.locator("[data-refresh]").count() == 1
    assert page.evaluate("document.activeElement.textContent") == "copy"
    assert page.evaluate(f"{REGION}.scrollLeft") == scrolled > 0


#: What the cell of dead letters says, and over how many lines.
DEAD_LETTERS = """e => {
  const cell = e.querySelector('td.sqs-number'), text = document.createRange();
  text.selectNodeContents(cell);
  return [cell.innerText, new Set([...text.getClientRects()].map(r => r.top)).size];
}"""


@pytest.mark.parametrize(
    ("locale", "says"), [("en", "no dead-letter queue"), ("de-DE", "nicht eingerichtet")]
)
def test_a_queue_without_dead_letters_says_so_in_words(locale, says, open_page, send, tmp_path):
    send("django_sqs.send('copy', body='x')")
    page = open_page(LIST, width=360, locale=locale)
    for width, dark in (360, False), (390, True), (1280, False), (1280, True):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if dark else "light")
        shoot(page, tmp_path, f"words-{locale}-{width}-{'dark' if dark else 'light'}")
        said, lines = page.eval_on_selector("tr:has(a:text-is('copy'))", DEAD_LETTERS)
        assert (said, lines) == (says, min(lines, 2)), width


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
    assert page.locator("nav .breadcrumbs").inner_text().replace("\n", " ").endswith("Queues")
