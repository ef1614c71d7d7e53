"""Calls between people: placed, accepted, carried, ended.

Rules of this file: whoever may not call is told what a caller of somebody absent is told, before
anything else is done. Nothing that a page sends for the other goes on before the call is accepted,
and then only as callveil has rebuilt it. Whatever fails ends the call: it is never carried on with
less privacy.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from examples.signaling.messages import Accept, Candidate, Description, Reveal
from examples.signaling.people import People, Person, permission
from relay.client import AsyncClient, ClientError
from relay.client.bodies import CallCreated, PartyCreate, PartyUpdate, Removed

RING_S = 45.0
"""Well below the three minutes after which callveil ends a call that nobody accepts."""

CALLER, CALLEE = "caller", "callee"
"""What callveil is told of the parties: who they are is none of its business."""


@dataclass(slots=True, eq=False)
class Call:
    """Two people, and the call that callveil has made for them.

    Args:
        id: callveil's; empty until it has made the call.
        privacy: whether it is relayed, and who is masked.
        ring: ends it when nobody answers.
    """

    caller: Person
    callee: Person
    id: str = ""
    privacy: tuple[bool, list[str]] = (False, [])
    is_active: bool = False
    is_over: bool = False
    ring: asyncio.TimerHandle | None = None

    def role(self, person: Person) -> str:
        """What callveil calls this person."""
        return CALLER if person is self.caller else CALLEE

    def other(self, person: Person) -> Person:
        """The one at the other end."""
        return self.callee if person is self.caller else self.caller


class Calls:
    """All calls of this signaling server.

    Args:
        people: who there is.
        callveil: the relay's API.
        ring_s: how long a call may ring.
    """

    def __init__(self, people: People, callveil: AsyncClient, ring_s: float = RING_S) -> None:
        self._people = people
        self._callveil = callveil
        self._ring_s = ring_s
        self._tasks: set[asyncio.Task[None]] = set()

    async def place(self, caller: Person, name: str) -> None:
        """Call somebody, or hear that nobody of that name is to be had."""
        callee = self._people.get(name)
        if caller.call is not None:
            caller.tell({"type": "refused", "detail": "You are in a call."})
            return
        if callee is None or not _is_available(caller, callee):
            caller.tell({"type": "unavailable", "name": name})
            return
        call = Call(caller, callee)
        caller.call = callee.call = call
        await self._whole(self._make(call))

    async def _make(self, call: Call) -> None:
        """Have callveil make a call, and tell both; nobody knows of it before."""
        asked = _wishes_of(call)
        try:
            made = await self._callveil.create_call(_parties(asked))
        except ClientError as error:
            await self._fail(call, call.caller, error)
            return
        try:
            for role in _switched_on(call, asked):
                made = await self._tightened(made["id"], role)
        except ClientError as error:
            call.id = made["id"]
            await self._fail(call, call.caller, error)
            return
        call.id, call.privacy = made["id"], _privacy_of(made)
        if call.is_over:  # one of them has gone meanwhile
            await self._forget(call)
            return
        self._tell_both(call, "calling", "ringing", made)
        loop = asyncio.get_running_loop()
        call.ring = loop.call_later(self._ring_s, lambda: self._start(self.end(call, "unanswered")))

    def _tell_both(self, call: Call, to_caller: str, to_callee: str, made: CallCreated) -> None:
        """Give each page its own way to the relay."""
        for person, kind in ((call.caller, to_caller), (call.callee, to_callee)):
            role, other = call.role(person), call.role(call.other(person))
            masked = {"you": role in made["masked"], "they": other in made["masked"]}
            person.tell(
                {
                    "type": kind,
                    "call": call.id,
                    "name": call.other(person).name,
                    "relayed": made["relayed"],
                    "masked": masked,
                    "rtc_configuration": made["parties"][role]["rtc_configuration"],
                }
            )

    async def accept(self, callee: Person, asked: Accept) -> None:
        """Take a call, if the caller may still call."""
        call = self._of(callee, asked.call)
        if call is None or callee is not call.callee or call.is_active:
            return
        call.is_active = True
        if call.ring is not None:
            call.ring.cancel()
        try:
            await self._callveil.accept_call(call.id)
        except ClientError as error:
            await self._fail(call, callee, error)
            return
        if call.is_over:
            return
        for person in (call.caller, callee):
            person.tell({"type": "accepted", "call": call.id, "commitment": asked.commitment})

    async def describe(self, person: Person, sent: Description) -> None:
        """Carry an offer or an answer over, rebuilt."""
        call = self._open(person, sent.call)
        if call is None:
            return
        try:
            rebuilt = await self._callveil.rebuild_description(call.id, call.role(person), sent.sdp)
        except ClientError as error:
            await self._fail(call, person, error)
            return
        passed = {"call": call.id, "kind": sent.kind, "sdp": rebuilt["sdp"]}
        self._carry(call, person, "description", passed, rebuilt["removed"])

    async def suggest(self, person: Person, sent: Candidate) -> None:
        """Carry a candidate over, rebuilt; the sender hears of one that was dropped too."""
        call = self._open(person, sent.call)
        if call is None:
            return
        try:
            rebuilt = await self._callveil.rebuild_candidate(
                call.id, call.role(person), {"candidate": sent.candidate}
            )
        except ClientError as error:
            await self._fail(call, person, error)
            return
        kept = rebuilt["candidate"]
        passed = {"call": call.id, "candidate": kept, "mid": sent.mid, "index": sent.index}
        self._carry(call, person, "candidate", passed, rebuilt["removed"])

    def reveal(self, person: Person, sent: Reveal) -> None:
        """Carry over what the commitment was made of."""
        call = self._open(person, sent.call)
        if call is not None:
            message = {"type": "reveal", "call": call.id, "nonce": sent.nonce}
            call.other(person).tell(message)

    async def count(self, person: Person, id_: str) -> None:
        """Tell a page what the relay has counted."""
        call = self._of(person, id_)
        if call is None:
            return
        try:
            view = await self._callveil.show_call(call.id)
        except ClientError as error:
            await self._fail(call, person, error)
            return
        if view["state"] == "ended":
            await self.end(call, "ended")
            return
        legs, you = view["parties"], call.role(person)
        counted = {"you": legs[you], "they": legs[call.role(call.other(person))]}
        person.tell({"type": "statistics", "call": call.id, "relayed": view["relayed"], **counted})

    async def tighten(self, person: Person) -> None:
        """Somebody has switched privacy on: the call goes on with it, or not at all."""
        call = person.call
        if call is None or not call.id:
            return
        try:
            made = await self._tightened(call.id, call.role(person))
        except ClientError as error:
            await self._fail(call, person, error)
            return
        was, call.privacy = call.privacy, _privacy_of(made)
        if call.privacy != was and not call.is_over:
            self._tell_both(call, "tightened", "tightened", made)

    async def hang_up(self, person: Person, id_: str) -> None:
        """Decline, cancel or end."""
        call = self._of(person, id_)
        if call is None:
            return
        is_declined = person is call.callee and not call.is_active
        await self.end(call, "declined" if is_declined else "hung_up")

    async def review(self, person: Person) -> None:
        """Somebody has changed what they allow, or what they think of somebody."""
        call = person.call
        if call is not None and not permission(call.caller, call.callee).allowed:
            await self.end(call, "ended")

    async def end(self, call: Call, why: str) -> None:
        """End a call for both. Once is as good as twice."""
        if call.is_over:
            return
        call.is_over = True
        if call.ring is not None:
            call.ring.cancel()
        for person in (call.caller, call.callee):
            person.call = None
            person.tell({"type": "ended", "call": call.id, "why": why})
        await self._whole(self._forget(call))

    async def _tightened(self, call: str, role: str) -> CallCreated:
        """Switch a party's privacy on in a call that rings or runs."""
        party: PartyUpdate = {"id": role, "enhanced_call_privacy": True}
        return await self._callveil.change_call(call, parties=[party])

    async def _forget(self, call: Call) -> None:
        """Have callveil end its side, if it has one yet."""
        if not call.id:
            return
        try:
            await self._callveil.end_call(call.id)
        except ClientError as error:  # it ends by itself when its time is up
            call.caller.tell({"type": "refused", "detail": str(error)})

    async def _fail(self, call: Call, person: Person, error: ClientError) -> None:
        person.tell({"type": "refused", "detail": str(error)})
        await self.end(call, "failed")

    def _carry(
        self, call: Call, person: Person, kind: str, passed: dict[str, Any], removed: list[Removed]
    ) -> None:
        """Tell the other page, and the sender's what it was that the other got."""
        if call.is_over:
            return
        if passed.get("candidate", "") is not None:
            call.other(person).tell({"type": kind, **passed})
        person.tell({"type": "passed_on", **passed, "removed": removed})

    def _of(self, person: Person, id_: str) -> Call | None:
        """This person's call, if it is the one that is meant."""
        call = person.call
        return call if call is not None and call.id == id_ else None

    def _open(self, person: Person, id_: str) -> Call | None:
        """The same, once it has been accepted."""
        call = self._of(person, id_)
        return call if call is not None and call.is_active else None

    def _start(self, step: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _whole(self, step: Coroutine[Any, Any, None]) -> None:
        """Do this to its end, also where the page that asked for it goes before."""
        await asyncio.shield(self._start(step))


def _is_available(caller: Person, callee: Person) -> bool:
    """Whether the other can be called now: all that a caller may learn."""
    is_free = callee.page is not None and callee.call is None and callee is not caller
    return permission(caller, callee).allowed and is_free


def _wishes_of(call: Call) -> dict[str, bool]:
    return {CALLER: call.caller.wants_privacy, CALLEE: call.callee.wants_privacy}


def _parties(privacy: dict[str, bool]) -> list[PartyCreate]:
    return [{"id": role, "enhanced_call_privacy": on} for role, on in privacy.items()]


def _switched_on(call: Call, asked: dict[str, bool]) -> Iterator[str]:
    """Who has switched privacy on since it was asked for: one after the other, until nobody has."""
    while switched := [role for role, on in _wishes_of(call).items() if on and not asked[role]]:
        asked[switched[0]] = True
        yield switched[0]


def _privacy_of(made: CallCreated) -> tuple[bool, list[str]]:
    return made["relayed"], made["masked"]
