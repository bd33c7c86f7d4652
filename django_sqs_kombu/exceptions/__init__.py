"""Every exception and warning of the library, with its facts as attributes."""

from __future__ import annotations

# The type of an item of SendFailure, for who asks for its hints at run time.
from typing import Any as Any

from ..restarts import MOST_CURSOR as MOST_CURSOR
from ..restarts import Continue as Continue
from ..restarts import RestartLater as RestartLater
from .base import ConfigurationError as ConfigurationError
from .base import EnvironmentFailure as EnvironmentFailure
from .base import NotTriedAgain as NotTriedAgain
from .base import PassesSoon as PassesSoon
from .base import SQSError as SQSError
from .bodies import MessageDecodeError as MessageDecodeError
from .bodies import MessageEncodeError as MessageEncodeError
from .bodies import MessageTargetMissing as MessageTargetMissing
from .bodies import MessageTooLarge as MessageTooLarge
from .bodies import PayloadNotWritten as PayloadNotWritten
from .bodies import PayloadUnavailable as PayloadUnavailable
from .bodies import WrongMessageClass as WrongMessageClass
from .registering import NoReceiver as NoReceiver
from .registering import QueueNameError as QueueNameError
from .registering import UnknownQueue as UnknownQueue
from .registering import UnknownSuffixWarning as UnknownSuffixWarning
from .requests import AccessDenied as AccessDenied
from .requests import ClockIsOff as ClockIsOff
from .requests import CredentialsMissing as CredentialsMissing
from .requests import EndpointUnreachable as EndpointUnreachable
from .requests import QueueDoesNotExist as QueueDoesNotExist
from .requests import QueueNotPredefined as QueueNotPredefined
from .requests import RequestFailed as RequestFailed
from .running import KilledItsProcess as KilledItsProcess
from .running import ReceiverFailed as ReceiverFailed
from .running import ReceiverReturnedGenerator as ReceiverReturnedGenerator
from .running import TimedOut as TimedOut
from .running import TooOldToSendAgain as TooOldToSendAgain
from .running import kind_of as kind_of
from .sending import BatchDropped as BatchDropped
from .sending import BatchFailed as BatchFailed
from .sending import BatchFailure as BatchFailure
from .sending import BatchInterrupted as BatchInterrupted
from .sending import SendFailure as SendFailure
from .sending import SendManyFailed as SendManyFailed

for _each in tuple(vars().values()):
    if getattr(_each, "__module__", "").startswith(f"{__name__}."):
        # Where everybody imports it from, by which name failures and results are kept.
        _each.__module__ = __name__
del _each
