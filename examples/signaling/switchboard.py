"""What each message of a page leads to.

Rules of this file: one method per message, and none of them raises because of what a page sent.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from examples.signaling import messages
from examples.signaling.calls import Calls
from examples.signaling.people import Contact, Page, People, Person
from relay.client import AsyncClient
from relay.contacts import CalleeSettings, MessageRequest

Handler = Callable[[Person, Any], Awaitable[None]]


class Switchboard:
    """People and calls, driven by messages.

    Args:
        callveil: the relay's API.
        ring_s: how long a call may ring.
    """

    def __init__(self, callveil: AsyncClient, ring_s: float) -> None:
        self._people = People()
        self._calls = Calls(self._people, callveil, ring_s)
        self._signed_in: dict[Page, Person] = {}
        self._handlers: dict[type[messages.Message], Handler] = {
            messages.Relation: self._relate,
            messages.MessageTo: self._send_message,
            messages.AcceptMessage: self._accept_message,
            messages.Settings: self._set,
            messages.PlaceCall: lambda person, asked: self._calls.place(person, asked.name),
            messages.Accept: self._calls.accept,
            messages.HangUp: lambda person, asked: self._calls.hang_up(person, asked.call),
            messages.Description: self._calls.describe,
            messages.Candidate: self._calls.suggest,
            messages.Reveal: self._reveal,
            messages.Statistics: lambda person, asked: self._calls.count(person, asked.call),
        }

    async def take(self, page: Page, message: messages.AnyMessage) -> None:
        """Do what one message asks for."""
        person = self._signed_in.get(page)
        try:
            if isinstance(message, messages.SignIn):
                self._sign_in(page, message)
            elif person is None:
                raise LookupError("Sign in first.")
            else:
                await self._handlers[type(message)](person, message)
        except LookupError as error:
            page.tell({"type": "refused", "detail": str(error.args[0])})

    async def left(self, page: Page) -> None:
        """A page has gone: its call ends."""
        person = self._signed_in.pop(page, None)
        if person is None:
            return
        person.page = None
        if person.call is not None:
            await self._calls.end(person.call, "hung_up")

    def _sign_in(self, page: Page, asked: messages.SignIn) -> None:
        if page in self._signed_in:
            raise LookupError("You are signed in.")
        person = self._people.sign_in(asked.name, page, is_verified=asked.verified)
        self._signed_in[page] = person
        settings = {
            "calling": person.settings.calling,
            "allow": sorted(switch.value for switch in person.settings.allow),
            "enhanced_call_privacy": person.wants_privacy,
        }
        person.tell({"type": "signed_in", "name": person.name, "settings": settings})
        person.tell_contacts()

    async def _relate(self, person: Person, asked: messages.Relation) -> None:
        if asked.name == person.name:
            raise LookupError("That is you.")
        contact = person.contact(asked.name)
        for fact in ("follow", "address_book", "blocked"):
            value = getattr(asked, fact)
            if value is not None:
                setattr(contact, fact, value)
        person.tell_contacts()
        await self._calls.review(person)

    async def _send_message(self, person: Person, asked: messages.MessageTo) -> None:
        """Whether it arrives is not said: nobody learns who there is, and who has blocked them."""
        own = person.contact(asked.name)
        person.tell({"type": "sent", "name": asked.name})
        other = self._people.get(asked.name)
        if other is None or other is person or own.blocked:
            return
        with suppress(LookupError):  # the other's list is full, which is the other's business
            self._deliver(other, other.contact(person.name))

    def _deliver(self, other: Person, contact: Contact) -> None:
        if contact.blocked or contact.message is not MessageRequest.NONE:
            return
        contact.message = MessageRequest.SENT
        other.tell_contacts()

    async def _accept_message(self, person: Person, asked: messages.AcceptMessage) -> None:
        contact = person.contact(asked.name)
        if contact.message is MessageRequest.SENT:
            contact.message = MessageRequest.ACCEPTED
        person.tell_contacts()
        await self._calls.review(person)

    async def _set(self, person: Person, asked: messages.Settings) -> None:
        person.settings = CalleeSettings(asked.calling, asked.allow)
        is_switched_on = asked.enhanced_call_privacy and not person.wants_privacy
        person.wants_privacy = asked.enhanced_call_privacy
        person.tell_contacts()
        await self._calls.review(person)
        if is_switched_on:
            await self._calls.tighten(person)

    async def _reveal(self, person: Person, asked: messages.Reveal) -> None:
        self._calls.reveal(person, asked)
