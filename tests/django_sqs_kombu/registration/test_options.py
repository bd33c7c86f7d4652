"""What a registration may say, and what is refused before any request."""

import functools

import celery
import pytest

from django_sqs_kombu import (
    ConfigurationError,
    JSONMessage,
    Message,
    QueueNameError,
    ReceiverConsumer,
    Receivers,
    UnknownSuffixWarning,
)
from django_sqs_kombu.registration import RegisteredQueue
from django_sqs_kombu.registration.options import QueueOptions

INF, NAN = float("inf"), float("nan")


def handle(message):
    return message.get_body()


@pytest.fixture
def unreachable():
    """A registry whose requests would all fail."""
    return Receivers("sqs-batch://", transport_options={"endpoint_url": "http://127.0.0.1:9"})


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("visibility_timeout", 0, "whole number from 1"),
        ("visibility_timeout", 60.0, "whole number"),
        ("visibility_timeout", True, "whole number"),
        ("visibility_timeout", "60", "whole number"),
        ("timeout", True, "above 0"),
        ("timeout", INF, "above 0"),
        ("timeout", NAN, "above 0"),
        ("timeout", 1e10, "up to 43,200"),
        ("timeout", 43_201, "up to 43,200"),
        ("delete_on_start", "no", "True or False"),
        ("wire_format", ["raw"], "kombu, raw"),
        ("priority", "high", "whole number"),
        ("priority", 1.5, "whole number"),
        ("priority", True, "whole number"),
        ("priority", None, "whole number"),
        ("process_group", 5, "a non-empty string"),
        ("process_group", "", "a non-empty string"),
        ("kms_key", 5, "a non-empty string"),
        ("kms_key", "", "a non-empty string"),
        ("tags", ["team"], "a mapping"),
        ("tags", {"team": 5}, "a mapping"),
        ("suffixes", 5, "strings"),
        ("suffixes", [5], "strings"),
        ("suffixes", [["eu"]], "strings"),
        ("suffixes", ("eu", ""), "strings"),
        ("suffixes", b"eu", "strings"),
        ("dead_letter_queue", "", "a non-empty string"),
        ("dead_letter_queue", 5, "a non-empty string"),
        ("dead_letter_queue", "orders", "is the queue itself"),
    ],
)
def test_an_option_that_cannot_work_is_refused_and_named(unreachable, option, value, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        unreachable.register("orders", handle, **{option: value})

    assert option in str(caught.value)
    assert "'orders'" in str(caught.value)
    assert unreachable.queues == {}


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_a_suffix_makes_no_fifo_queue_of_another(unreachable, name):
    with pytest.raises(QueueNameError, match=r"suffix 'eu\.fifo' ends in '\.fifo'.*Leave that out"):
        unreachable.register(name, handle, suffixes=["eu.fifo"])
    queue = unreachable.register(name, handle, suffixes=["eu"])

    with pytest.warns(UnknownSuffixWarning), pytest.raises(QueueNameError, match=r"'us\.fifo'"):
        queue.send(body="b", suffix="us.fifo")


@pytest.mark.parametrize("count", [True, 0, 1_001, 2.0, "5"])
def test_max_receives_that_cannot_work(unreachable, count):
    with pytest.raises(ConfigurationError, match="'orders': max_receives must be a whole number"):
        unreachable.register("orders", handle, dead_letter_queue="dead", max_receives=count)


def test_a_queue_for_sending_may_be_declared_visible_at_once(unreachable):
    assert unreachable.register("orders", visibility_timeout=0).visibility_timeout == 0


def test_a_message_deleted_before_may_be_worked_on_for_longer_than_sqs_hides_one(unreachable):
    unreachable.register("orders", handle, delete_on_start=True, timeout=86_400)

    with pytest.raises(ConfigurationError, match="timeout must be"):
        unreachable.register("others", handle, delete_on_start=True, timeout=1e10)


def test_fifo_with_delete_on_start_would_run_two_of_a_group_at_once(unreachable):
    with pytest.raises(ConfigurationError, match=r"'orders.fifo': delete_on_start .* FIFO"):
        unreachable.register("orders.fifo", handle, delete_on_start=True)


def test_a_suffix_may_not_make_a_queue_its_own_dead_letter_queue(unreachable):
    with pytest.raises(ConfigurationError, match="is the queue itself"):
        unreachable.register("orders", handle, suffixes=("dead",), dead_letter_queue="orders__dead")


def test_dead_letters_may_not_go_round_in_a_circle(unreachable):
    unreachable.register("a", handle, dead_letter_queue="b")
    unreachable.register("b", handle, dead_letter_queue="c")

    with pytest.raises(ConfigurationError, match="from c to a to b to c"):
        unreachable.register("c", handle, dead_letter_queue="a")
    unreachable.register("c", handle, dead_letter_queue="d")


@pytest.mark.parametrize("name", [5, None, b"orders"])
def test_a_name_that_is_no_text(unreachable, name):
    with pytest.raises(ConfigurationError, match="must be a string"):
        unreachable.register(name, handle)


class Takes:
    def none(self):
        pass

    def one(self, message):
        pass

    async def two(self, message, more):
        pass

    def __call__(self, message):
        pass


def with_two(fn):
    @functools.wraps(fn)
    def decorated(message):
        return fn(message, "more")

    return decorated


@pytest.mark.parametrize(
    "fn",
    [
        lambda: None,
        lambda a, b: None,
        lambda *, message: None,
        Takes().none,
        Takes().two,
        Takes.one,
        functools.partial(handle, "bound"),
        functools.partial(with_two(handle), "bound"),
    ],
)
def test_a_function_that_cannot_take_the_message_is_refused(unreachable, fn):
    with pytest.raises(ConfigurationError, match=r"'orders': the receiver .* one argument"):
        unreachable.register("orders", fn)


@pytest.mark.parametrize(
    "fn",
    [
        handle,
        print,
        Takes().one,
        Takes(),
        lambda message, more=None: None,
        lambda *args: None,
        functools.partial(lambda a, b: None, b=1),
        # The decorated function takes two, what decorates it one.
        with_two(lambda a, b: None),
        dict.fromkeys,
        str,
    ],
)
def test_a_function_that_can_take_the_message_is_accepted(unreachable, fn):
    assert unreachable.register("orders", fn).receiver is fn


def test_arguments_for_a_celery_task_are_checked_alike(unreachable):
    with pytest.raises(ConfigurationError, match="'orders': the function of the arguments"):
        unreachable.register("orders", lambda: None, celery_task="pack")
    with pytest.raises(ConfigurationError, match="'orders': celery_task must be"):
        unreachable.register("orders", celery_task=5)


def test_a_queue_that_is_made_by_hand_has_no_celery_task(unreachable):
    with pytest.raises(ConfigurationError, match="'orders': celery_task is an option of register"):
        RegisteredQueue("orders", None, receivers=unreachable, celery_task="pack")


def test_few_receives_before_the_dead_letters_are_logged_once(unreachable, caplog):
    for _ in range(2):
        unreachable.register("orders", handle, dead_letter_queue="dead", max_receives=2)
    unreachable.register("others", handle, dead_letter_queue="dead", max_receives=3)

    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "'orders' has max_receives=2" in record.getMessage()


def test_suffixes_from_a_generator_are_read_once_and_kept(unreachable):
    queue = unreachable.register("orders", handle, suffixes=(s for s in ("eu", "us", "eu")))

    assert queue.suffixes == ("eu", "us")
    assert queue.options.names == ("orders", "orders__eu", "orders__us")


def test_options_cannot_be_changed_afterwards():
    options = QueueOptions("orders", handle)

    with pytest.raises(AttributeError):
        options.timeout = float("inf")


def test_message_class_and_model_exclude_each_other(unreachable):
    assert unreachable.register("a", handle).message_class is Message
    assert unreachable.register("b", handle, message_class=JSONMessage).message_class is JSONMessage
    with pytest.raises(ConfigurationError, match="'c': give model or message_class, not both"):
        unreachable.register("c", handle, model=dict, message_class=JSONMessage)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("prefix", 5),
        ("prefix", "two words"),
        ("visibility_timeout", 0),
        ("visibility_timeout", 60.0),
        ("poll_period", 0.5),
        ("poll_period", True),
        ("poll_period", None),
        ("wire_format", None),
        ("transport_options", []),
    ],
)
def test_an_argument_of_a_registry_that_cannot_work_is_named(argument, value):
    with pytest.raises(ConfigurationError, match=f"^{argument} must be"):
        Receivers(**{argument: value})


@pytest.mark.parametrize(
    "argument",
    [{"threads": 1.5}, {"prefetch": -1}, {"message_limit": True}, {"grace_period": NAN}],
)
def test_an_argument_of_a_consumer_that_cannot_work_is_named(unreachable, argument):
    unreachable.register("orders", handle)

    with pytest.raises(ConfigurationError, match=f"^{next(iter(argument))} must be"):
        ReceiverConsumer(unreachable, **argument)


def test_a_suffix_that_is_no_text(unreachable):
    queue = unreachable.register("orders", handle)

    with pytest.raises(ConfigurationError, match="'orders': suffix must be a string, not 5"):
        queue.send(suffix=5, body="x")


def test_a_fifo_queue_may_be_limited_by_group_and_only_one(unreachable):
    queue = unreachable.register("lanes.fifo", high_throughput=True).get_queue()

    assert queue.queue_arguments["DeduplicationScope"] == "messageGroup"
    assert queue.queue_arguments["FifoThroughputLimit"] == "perMessageGroupId"
    with pytest.raises(ConfigurationError, match="high_throughput is for FIFO queues"):
        unreachable.register("plain", high_throughput=True)


def test_a_celery_task_as_a_receiver_has_to_take_the_message_too():
    app = celery.Celery(set_as_current=False)

    @app.task
    def plain(message):
        pass

    @app.task(bind=True)
    def bound(self, message):
        pass

    @app.task(bind=True)
    def forgot(self):
        pass

    Receivers().register("plain", plain)
    Receivers().register("bound", bound)
    with pytest.raises(ConfigurationError, match="cannot be called with one argument"):
        Receivers().register("forgot", forgot)
