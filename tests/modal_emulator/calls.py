"""Calls of functions: inputs waiting or running, their results, and cancellation."""

import asyncio
import time
from dataclasses import dataclass, field

from grpclib import GRPCError, Status
from modal_proto import api_pb2

RESULT = api_pb2.GenericResult

CRASH_BACKOFF = 0.1
"""Seconds by which each further redelivery of an input waits longer; Modal's are longer."""


@dataclass
class Call:
    """One input of one function call, from the client's request to its result."""

    call_id: str
    function_id: str
    input: api_pb2.FunctionInput
    invocation_type: int
    result: api_pb2.FunctionGetOutputsItem | None = None
    task_id: str = ""
    deliveries: int = 0
    cancelled: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def input_id(self) -> str:
        return self.call_id.replace("fc-", "in-")

    def item(self) -> api_pb2.FunctionGetInputsItem:
        return api_pb2.FunctionGetInputsItem(
            input_id=self.input_id,
            input=self.input,
            function_call_id=self.call_id,
            function_call_invocation_type=self.invocation_type,
        )

    def finish(self, result: api_pb2.GenericResult, data_format: int = 0) -> None:
        if self.result is None:
            self.result = api_pb2.FunctionGetOutputsItem(
                result=result,
                input_id=self.input_id,
                data_format=data_format,
                task_id=self.task_id,
                output_created_at=time.time(),
            )
            self.done.set()


class Calls:
    """Keeps the calls of every function; `pools` starts containers and takes inputs back."""

    def __init__(self):
        self.by_id: dict[str, Call] = {}
        self.queues: dict[str, list[Call]] = {}
        self.changed = asyncio.Condition()
        self.wake = lambda function_id: None
        self.stop_container = lambda task_id: None
        self.cancel_input = lambda task_id, input_id: None

    def waiting(self, function_id: str) -> list[Call]:
        return self.queues.setdefault(function_id, [])

    async def take(self, function_id: str, task_id: str, patience, may_take) -> Call | None:
        """The next input for a container, None when it may take no more.

        That is, too, after `patience()` seconds, which may become fewer meanwhile.
        """
        since = time.monotonic()
        async with self.changed:
            while not self.waiting(function_id) and may_take():
                left = since + patience() - time.monotonic()
                try:
                    async with asyncio.timeout(max(left, 0)):
                        await self.changed.wait()
                except TimeoutError:
                    return None
            if not may_take():
                return None
            call = self.waiting(function_id).pop(0)
        call.task_id = task_id
        call.deliveries += 1
        return call

    async def notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def give_back(self, call: Call) -> None:
        """Queue an input again whose container died, as Modal does, without an end."""
        if call.result is not None:
            return
        if call.cancelled:
            call.finish(RESULT(status=RESULT.GENERIC_STATUS_TERMINATED))
            return
        call.task_id = ""
        await asyncio.sleep(CRASH_BACKOFF * call.deliveries)
        self.waiting(call.function_id).insert(0, call)
        await self.notify()
        self.wake(call.function_id)

    def output(self, item: api_pb2.FunctionPutOutputsItem) -> None:
        call = self.by_id[item.input_id.replace("in-", "fc-")]
        call.finish(item.result, item.data_format)

    async def FunctionMap(self, request):
        if len(request.pipelined_inputs) != 1:
            raise GRPCError(Status.UNIMPLEMENTED, "only calls with one input in the emulator")
        call = Call(
            f"fc-{len(self.by_id) + 1:06d}",
            request.function_id,
            request.pipelined_inputs[0].input,
            request.function_call_invocation_type,
        )
        self.by_id[call.call_id] = call
        self.waiting(call.function_id).append(call)
        await self.notify()
        self.wake(call.function_id)
        return api_pb2.FunctionMapResponse(
            function_call_id=call.call_id,
            pipelined_inputs=[api_pb2.FunctionPutInputsResponseItem(idx=0, input_id=call.input_id)],
        )

    async def FunctionGetOutputs(self, request):
        call = self._known(request.function_call_id)
        if call.result is None and request.timeout > 0:
            try:
                async with asyncio.timeout(request.timeout):
                    await call.done.wait()
            except TimeoutError:
                pass
        return api_pb2.FunctionGetOutputsResponse(
            outputs=[call.result] if call.result else [],
            num_unfinished_inputs=0 if call.result else 1,
        )

    async def FunctionCallFromId(self, request):
        call = self._known(request.function_call_id)
        return api_pb2.FunctionCallFromIdResponse(function_call_id=call.call_id, num_inputs=1)

    async def FunctionCallCancel(self, request):
        call = self._known(request.function_call_id)
        if call.result is None:
            call.cancelled = True
            if call in self.waiting(call.function_id):
                self.waiting(call.function_id).remove(call)
                call.finish(RESULT(status=RESULT.GENERIC_STATUS_TERMINATED))
            elif request.terminate_containers:
                call.finish(RESULT(status=RESULT.GENERIC_STATUS_TERMINATED))
                self.stop_container(call.task_id)
            else:
                self.cancel_input(call.task_id, call.input_id)

    def _known(self, call_id: str) -> Call:
        if call_id not in self.by_id:
            raise GRPCError(Status.NOT_FOUND, f"no function call {call_id!r}")
        return self.by_id[call_id]
