"""A small shop, as its pages in Django's admin are shown in the documentation."""
