"""Languages: every text of the pages is in each catalogue, translated, compiled and shipped."""

import ast
import gettext
import io
import re

import pytest
from django.utils import translation
from django.utils.translation.template import templatize

from django_sqs.language import of_logs, of_the_site

from ..catalogue import FOLDERS, PACKAGE, written

MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop"}
PLURAL_MARKS = {"ngettext", "ngettext_lazy"}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|\{\w*\}|</?\w+>")


def marked(source):
    """The texts that Python code marks for translation: one, or a singular and its plural."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name, texts = node.func.id, [a.value for a in node.args if isinstance(a, ast.Constant)]
            if name in MARKS:
                assert len(texts) == 1, f"{ast.unparse(node)}: only a text can be looked up"
                yield texts[0]
            elif name in PLURAL_MARKS:
                yield tuple(texts[:2])


def used():
    """The texts of code and pages, as the catalogues must have them."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        found.update(marked(file.read_text(encoding="utf-8")))
    for file in PACKAGE.rglob("*.html"):
        # As makemessages reads them: Python's words among what it ignores.
        code = templatize(file.read_text(encoding="utf-8"), origin=str(file))
        for call in re.findall(r"\bn?gettext\(.*?\) |\b_\(.*?\) ", code, re.DOTALL):
            plural = call.startswith("ngettext")
            found.update(marked(call.strip().replace(",count)", ",0)") if plural else call.strip()))
    return found


def each(text):
    return text if isinstance(text, tuple) else (text,)


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.parent.name)
def catalogue(request):
    texts, flags = written(request.param / "django.po")
    return request.param, texts, flags


def test_german_is_there():
    assert [folder.parent.name for folder in FOLDERS] == ["de"]


def test_every_text_is_translated(catalogue):
    _, texts, flags = catalogue
    head = texts.pop("")

    assert "charset=UTF-8" in head
    assert "Plural-Forms: nplurals=" in head
    assert set(texts) == used(), "make messages"
    assert "fuzzy" not in flags
    assert [key for key, value in texts.items() if not all(map(str.strip, each(value)))] == []


def test_translations_have_the_same_placeholders(catalogue):
    _, texts, _ = catalogue
    texts.pop("")
    wrong = {}
    for key, value in texts.items():
        # A singular may say "this" for a number.
        wanted = set(PLACEHOLDER.findall(each(key)[-1]))
        for place, text in enumerate(each(value)):
            least = set(PLACEHOLDER.findall(each(key)[min(place, len(each(key)) - 1)]))
            has = set(PLACEHOLDER.findall(text))
            # Quotes would end the attributes that some stand in.
            if not (least <= has <= wanted) or '"' in text:
                wrong[key] = text
            # The ends are what other texts follow.
            if text.strip()[-1] in ".?:" and text.strip()[-1] != each(key)[-1].strip()[-1]:
                wrong[key] = text

    assert wrong == {}


def test_what_is_compiled_is_what_is_written(catalogue):
    folder, texts, _ = catalogue
    compiled = gettext.GNUTranslations(io.BytesIO((folder / "django.mo").read_bytes()))
    plain = {key: value for key, value in texts.items() if isinstance(key, str) and key}

    assert {key: compiled.gettext(key) for key in plain} == plain, "make messages"
    for key, value in texts.items():
        if isinstance(key, tuple):
            assert [compiled.ngettext(*key, n) for n in (1, 2)] == list(value), "make messages"


def test_notes_are_in_the_sites_language_and_logs_in_english(settings):
    settings.LANGUAGE_CODE = "de"
    paused = translation.gettext_lazy("Paused.")
    with translation.override("fr"):
        with of_the_site():
            assert str(paused) == "Angehalten."
        with of_logs():
            assert str(paused) == "Paused."
        assert translation.get_language() == "fr"
