"""Who there is, what they think of each other, and who may call whom.

Rules of this file: names are kept when their pages have gone, so that what somebody decided about
another holds while that one is away. A page is told things; nothing waits for it.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from relay.contacts import CalleeSettings, Decision, MessageRequest, Relationship, decide

if TYPE_CHECKING:
    from examples.signaling.calls import Call

MAX_PEOPLE = 1_000
MAX_CONTACTS = 200


class Page(Protocol):
    """A browser's page, somewhere."""

    def tell(self, message: dict[str, Any]) -> None:
        """Send it a message, soon."""
        ...


@dataclass(slots=True)
class Contact:
    """What a person thinks of another, and what came of messages from that other."""

    follow: bool = False
    address_book: bool = False
    blocked: bool = False
    message: MessageRequest = MessageRequest.NONE
    """The other's request to this person."""


@dataclass(slots=True, eq=False)
class Person:
    """Somebody who has signed in, now or before."""

    name: str
    page: Page | None = None
    is_verified: bool = False
    wants_privacy: bool = False
    settings: CalleeSettings = CalleeSettings()  # noqa: RUF009  immutable
    contacts: dict[str, Contact] = field(default_factory=dict)
    call: "Call | None" = None

    def contact(self, name: str) -> Contact:
        """What is known of another, kept from now on. Raises: LookupError, where it is too many."""
        if name not in self.contacts and len(self.contacts) >= MAX_CONTACTS:
            raise LookupError("Too many contacts.")
        return self.contacts.setdefault(name, Contact())

    def tell(self, message: dict[str, Any]) -> None:
        """Tell this person's page, if there is one."""
        if self.page is not None:
            self.page.tell(message)

    def tell_contacts(self) -> None:
        """Tell this person's page everything that it shows of contacts."""
        contacts = [
            {
                "name": name,
                "follow": each.follow,
                "address_book": each.address_book,
                "blocked": each.blocked,
                "message": each.message.value,
                "may_call": decide(facts_of(each), self.settings).allowed,
            }
            for name, each in self.contacts.items()
        ]
        self.tell({"type": "contacts", "contacts": contacts})


class People:
    """Everybody."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}

    def get(self, name: str) -> Person | None:
        """Somebody, if that name has ever signed in."""
        return self._people.get(name)

    def sign_in(self, name: str, page: Page, *, is_verified: bool) -> Person:
        """Connect a page with a name. Raises: LookupError with what to tell it."""
        person = self._people.get(name)
        if person is None:
            if len(self._people) >= MAX_PEOPLE:
                raise LookupError("This demo is full.")
            person = self._people[name] = Person(name)
        if person.page is not None:
            raise LookupError("Somebody is signed in with that name.")
        person.page = page
        person.is_verified = is_verified
        return person


def permission(caller: Person, callee: Person) -> Decision:
    """Whether one may call the other, as things stand now."""
    theirs = callee.contacts.get(caller.name, Contact())
    own = caller.contacts.get(callee.name, Contact())
    facts = facts_of(theirs)._replace(
        caller_verified=caller.is_verified, blocked=theirs.blocked or own.blocked
    )
    return decide(facts, callee.settings)


def facts_of(contact: Contact) -> Relationship:
    """What a person has decided about a caller. What the caller decided is not for that person."""
    return Relationship(
        callee_follows_caller=contact.follow,
        in_callee_address_book=contact.address_book,
        message_request=contact.message,
        blocked=contact.blocked,
    )
