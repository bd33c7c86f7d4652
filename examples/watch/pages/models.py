"""Pages, and how long they took."""

from django.db import models


class Page(models.Model):
    """A page that is watched."""

    url = models.URLField(unique=True)

    def __str__(self):
        return self.url


class Look(models.Model):
    """One look at a page.

    :ivar seconds: that it took.
    """

    page = models.ForeignKey(Page, models.CASCADE, related_name="looks")
    slot = models.DateTimeField()
    seconds = models.FloatField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["page", "slot"], name="pages_one_look"),)

    def __str__(self):
        return f"{self.page} at {self.slot}"
