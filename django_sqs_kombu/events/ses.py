"""SESEvent: what became of a mail that SES sent, or a mail that it received."""

from __future__ import annotations

from typing import Any

from ..exceptions import MessageDecodeError
from .event import Event
from .reading import parsed, part_of, text_in

#: What SES writes to try the way when a topic is chosen: for the events of a configuration set,
#: and for the notifications of an identity.
_TRIAL = "Successfully validated SNS topic for Amazon SES event publishing"
_TRIAL_KIND = "AmazonSnsSubscriptionSucceeded"

#: Where the details of each kind stand, and whom of the recipients it is about.
_DETAILS = {
    "Bounce": ("bounce", "bouncedRecipients"),
    "Complaint": ("complaint", "complainedRecipients"),
    "Delivery": ("delivery", "recipients"),
    "DeliveryDelay": ("deliveryDelay", "delayedRecipients"),
    "Send": ("send", ""),
    "Reject": ("reject", ""),
    "Open": ("open", ""),
    "Click": ("click", ""),
    "Rendering Failure": ("failure", ""),
    "Subscription": ("subscription", ""),
    "Received": ("receipt", "recipients"),
}


class SESEvent(Event):
    """An event of SES about one mail; ``get_body()`` is the whole event, a mapping.

    It arrives through an SNS topic, as a notification (of bounces, complaints, deliveries and
    received mails) or from a configuration set; or through EventBridge.  SES's test events are
    deleted without calling the receiver.

    :ivar name: such as ``"Bounce"``, ``"Complaint"``, ``"Delivery"`` or ``"Received"``.
    :ivar mail_id: SES's id of the mail, which sending it returned.
    :ivar mail: the mail itself: its source, headers and tags.
    :ivar details: what happened.
    :ivar recipients: the addresses that it is about; for a bounce, those that bounced.
    """

    name = ""
    mail_id = ""
    recipients: tuple[str, ...] = ()

    @property
    def mail(self) -> dict[str, Any]:
        """What SES tells of the mail itself."""
        found = self.event.get("mail")
        return found if isinstance(found, dict) else {}

    @property
    def details(self) -> dict[str, Any]:
        """What SES tells of what happened; empty where it tells nothing."""
        found = self.event.get(_DETAILS.get(self.name, (self.name.lower(), ""))[0])
        return found if isinstance(found, dict) else {}

    @property
    def is_permanent(self) -> bool:
        """Whether it is a bounce of an address that will bounce again."""
        return self.name == "Bounce" and self.details.get("bounceType") == "Permanent"

    def read(self, text: str) -> None:
        """Read an event of one mail."""
        if text.lstrip().startswith(_TRIAL):
            self._parts = []
            return
        event = parsed(text, "an SES event")
        detail = event.get("detail")
        if event.get("source") == "aws.ses" and isinstance(detail, dict):
            event = detail
        self.event = event
        self.name = text_in(event, "notificationType") or text_in(event, "eventType")
        if self.name == _TRIAL_KIND and not self.mail:
            self._parts = []
            return
        if not (self.name and self.mail):
            raise MessageDecodeError("Not an SES event: its kind or its mail is missing")
        self.mail_id = text_in(event, "mail", "messageId")
        self.recipients = self._concerned()
        self._hold(event)

    def _concerned(self) -> tuple[str, ...]:
        _, place = _DETAILS.get(self.name, ("", ""))
        found = self.details.get(place) or part_of(self.mail, "destination")
        addresses = (
            each.get("emailAddress") if isinstance(each, dict) else each
            for each in (found if isinstance(found, list) else ())
        )
        return tuple(address for address in addresses if isinstance(address, str))
