"""Turns of the event loop: work that is begun without a task, and work that is done once for all who wait for it.

Most requests never wait for anything but the audit log. A task for each of them, and a system call for each of their
lines, would cost more than the rest of the request. So a `Driver` runs the coroutines that came in since the last turn
one after the other as far as they get. Those that wait for a `Joint` (a write they all need), or only for each other
(`ABREAST`), go on as soon as that is done, in the same turn, and those that wait for a `Certainty` (a commit) in the
turn after it is there; only those that wait for something else become tasks.

Outside a task `asyncio.timeout`, `asyncio.TaskGroup` and all that asks for the current task do not work: before such
code stands `await own_task()`.
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, ClassVar, Final

Work = Coroutine[Any, Any, None]

#: The coroutines begun in one turn: the loop has others to look after.
MOST_AT_ONCE: Final = 16


class Joint:
    """Something done once for everybody who waits for it: by the driver at the end of its turn, else in the next one.

    What `action` raises, everybody gets.
    """

    __slots__ = ("_action", "_error", "_futures", "done")

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._error: Exception | None = None
        self._futures: list[asyncio.Future[None]] = []
        self.done = False

    def __await__(self) -> Generator[Any, None, None]:
        if not self.done:
            if driven():
                yield self
            else:
                yield from self._next_turn()
        if self._error is not None:
            raise self._error.with_traceback(None)

    def _next_turn(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        if not self._futures:
            loop.call_soon(self.finish)
        # One each: who is cancelled must not take it from the others.
        future = loop.create_future()
        self._futures.append(future)
        return future

    def finish(self) -> None:
        """Do it now, if it is not done yet."""
        if self.done:
            return
        self.done = True
        try:
            self._action()
        except Exception as e:
            self._error = e
        for future in self._futures:
            if not future.done():
                future.set_result(None)


class Abreast:
    """Awaited, it lets none of a turn's coroutines go on before all have come as far as they get.

    What each of them does next is then done for all, one after the other, and so from the processor's caches: for a
    request of an engine with much code of its own that saves more than the halt costs.
    """

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        if driven():
            yield self

    def finish(self) -> None:
        """There is nothing to be done."""


ABREAST: Final = Abreast()


class Certainty(asyncio.Future[None]):
    """The pending outcome of what cannot be stopped, and so cannot be cancelled: who waits for it needs no task.

    A task that awaits it and is cancelled is woken when the outcome is there, and only then gets its CancelledError:
    asyncio asks the awaited future to cancel itself and, when it declines, throws at the task's next step.
    """

    def cancel(self, msg: Any | None = None) -> bool:
        """Decline."""
        return False


class _Now:
    """Whether a driver is at work, and so no task: asking asyncio for the current task costs ten times as much."""

    driving: ClassVar[bool] = False


def driven() -> bool:
    """Whether the one who asks runs without a task."""
    return _Now.driving


@types.coroutine
def own_task() -> Generator[None, None, None]:
    """Have a task of one's own from here on."""
    if _Now.driving:
        yield


class Driver:
    """Begins what is brought to it. `adopt` is told of what becomes a task, and keeps it as long as it runs.

    `call` has the loop call something: `call_soon` where only the loop's own thread brings.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        adopt: Callable[[asyncio.Task[None]], None],
        call: Callable[..., object],
    ) -> None:
        self._loop = loop
        self._call = call
        self._adopt = adopt
        self._arrived: deque[Work] = deque()
        #: A turn is to come. One that brings another must not make two of it: they would double with every turn.
        self._awake = False

    def bring(self, work: Work) -> None:
        """Have a coroutine begun in the loop."""
        self._arrived.append(work)
        if not self._awake:
            self._awake = True
            self._call(self._turn)

    def _again(self, work: Work, _: Certainty) -> None:
        self.bring(work)

    def _turn(self) -> None:
        arrived = self._arrived
        # Before looking: what another thread brings from here on wakes the loop again.
        self._awake = False
        waiting: list[tuple[Work, Joint | Abreast]] = []
        for _ in range(min(len(arrived), MOST_AT_ONCE)):
            self._step(arrived.popleft(), waiting)
        while waiting:
            # One that went on may come to wait for another.
            again, waiting = waiting, []
            for _, joint in again:
                joint.finish()
            for work, _ in again:
                self._step(work, waiting)
        if arrived and not self._awake:
            self._awake = True
            self._loop.call_soon(self._turn)

    def _step(self, work: Work, waiting: list[tuple[Work, Joint | Abreast]]) -> None:
        _Now.driving = True
        try:
            held_by = work.send(None)
        except StopIteration:
            return
        except (Exception, asyncio.CancelledError) as e:
            # Of another's cancellation that came up here nobody else in this turn may suffer.
            context = {"message": "a request failed", "exception": e}
            self._loop.call_exception_handler(context)
            return
        finally:
            _Now.driving = False
        if type(held_by) is Joint or held_by is ABREAST:
            waiting.append((work, held_by))
        elif isinstance(held_by, Certainty):
            held_by.add_done_callback(partial(self._again, work))
        else:
            self._adopt(self._loop.create_task(_go_on(work, held_by)))


@types.coroutine
def _go_on(work: Work, held_by: Any) -> Generator[Any, Any, None]:
    """The rest of a coroutine that was begun outside a task; `held_by` is what it waits for, None for a task."""
    try:
        if held_by is None:
            held_by = work.send(None)
        while True:
            try:
                result = yield held_by
            except BaseException as e:
                held_by = work.throw(e)
            else:
                held_by = work.send(result)
    except StopIteration:
        return
