"""What a receiver raises may be as broken as it likes: its message ends as any other."""

import pytest
from django.db import router, transaction

import django_sqs
from django_sqs.failures.models import Failure, State
from django_sqs.inbox.models import ReceivedMessage

from ...django_sqs_kombu.working.fakes import Broken

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


class Mute(Exception):
    def __str__(self):
        raise ZeroDivisionError("no text")

    __repr__ = __str__


class Half(Exception):
    def __str__(self):
        return 5


class Endless(Exception):
    """Its cause is itself."""

    def __init__(self):
        super().__init__("round and round")
        self.__cause__ = self


class NoneOfIt(Exception):
    __module__ = None


class Noted(Exception):
    def __init__(self):
        super().__init__("x")
        self.__notes__ = [object(), 5]


class Untrue(Exception):
    def __len__(self):
        return 0


class NoClass(Exception):
    __class__ = Broken()


class NoCause(Exception):
    __cause__ = Broken()


@pytest.mark.parametrize("odd", [Mute, Half, Endless, NoneOfIt, Noted, NoClass, NoCause, Untrue])
def test_the_failure_is_noted(odd, work, caplog):
    def failing(message):
        raise odd

    django_sqs.register("f1", failing)
    django_sqs.send("f1", body="one")

    assert work("f1") == 1
    [row] = Failure.objects.all()
    assert row.state == State.WAITING
    assert odd.__name__ in row.error_class
    assert odd.__name__ in caplog.text


@pytest.mark.parametrize("odd", [NoClass, NoCause])
@pytest.mark.parametrize("once", [False, True])
def test_a_transaction_that_it_left_open_is_rolled_back(odd, once, work):
    kept = []

    def locked():
        with transaction.atomic(using=router.db_for_write(ReceivedMessage)):
            yield

    def failing(message):
        kept.append(locked())
        next(kept[0])
        ReceivedMessage.objects.create(queue="effect", message_id="1")
        raise odd

    django_sqs.register("f1", failing, once=once)
    django_sqs.send("f1", body="one")

    assert work("f1") == 1
    assert not ReceivedMessage.objects.exists()
    assert Failure.objects.get().error_class.endswith(odd.__name__)
