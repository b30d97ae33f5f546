"""The server: hands each call to its handler, counts it, delays it, makes it fail on demand."""

import asyncio
import collections
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import web
from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from grpclib.server import Server
from modal_proto import api_pb2
from modal_proto.api_grpc import ModalClientBase

from tests.modal_emulator.apps import Apps
from tests.modal_emulator.calls import Calls
from tests.modal_emulator.containers import Container, Containers
from tests.modal_emulator.volumes import Volumes


class Emulator:
    """Modal's server on a loopback port, in a thread of its own.

    `url` is for MODAL_SERVER_URL. `calls` counts the calls of clients outside containers by name,
    `container_calls` those from inside, `unknown` lists what was asked and is not implemented.
    `latency` delays each call from outside by so many seconds, `container_latency` each volume
    call from inside. With `commits_are_lost` nothing a container commits is kept. `hooks` has
    functions that get the container before its call of that name is answered.
    """

    def __init__(self, root: Path, port: int = 0, latency: float = 0.0):
        self.root = Path(root)
        self.latency = latency
        self.container_latency = 0.0
        self.commits_are_lost = False
        self.calls: collections.Counter[str] = collections.Counter()
        self.container_calls: collections.Counter[str] = collections.Counter()
        self.unknown: list[str] = []
        self.hooks: dict[str, Callable[[Container], None]] = {}
        self._port = port
        self._failures: dict[str, list[Status]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="modal-emulator")

    def __enter__(self) -> "Emulator":
        self._thread.start()
        self.run(self._start())
        return self

    def __exit__(self, *_) -> None:
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine):
        """The result of a coroutine run on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    # Watching and breaking

    def containers(self) -> list[Container]:
        return list(self.tasks.live.values())

    @property
    def most_containers(self) -> int:
        return self.tasks.most

    def fail(self, rpc_name: str, times: int, status: Status = Status.UNAVAILABLE) -> None:
        """Let the next `times` calls of this name from outside containers fail; `*` is any."""
        self._failures[rpc_name] = [status] * times

    def kill(self, task_id: str) -> None:
        """End a container without warning; its input is delivered again."""
        self._loop.call_soon_threadsafe(self.tasks.live[task_id].end)

    def preempt(self, task_id: str) -> None:
        """End a container with the signal and the time that Modal gives; returns when it ended."""
        self.run(self.tasks.preempt(task_id))

    def commit_in_background(self, task_id: str) -> None:
        """Commit a container's volumes now, as Modal does every few seconds by itself."""
        container = self.tasks.live[task_id]

        async def commit():
            for mount in container.volume_mounts:
                self.volumes.commit(mount.volume_id, task_id)

        self.run(commit())

    def log(self, task_id: str) -> str:
        return (self.root / "logs" / f"{task_id}.log").read_text()

    # Starting and stopping

    async def _start(self) -> None:
        for name in ("tasks", "logs", "volumes"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self._sockets = Path(tempfile.mkdtemp(prefix="modal-"))
        self.volumes = Volumes(self.root / "volumes")
        self.apps = Apps(lambda app_id: self.tasks.retire_app(app_id))
        self.inputs = Calls()
        self.tasks = Containers(
            self.apps, self.inputs, self.volumes, self.root, self._sockets, self._container_services
        )
        self.inputs.wake = self.tasks.wake
        self.inputs.stop_container = self.tasks.stop
        self.inputs.cancel_input = self.tasks.cancel_input

        application = web.Application(client_max_size=2**30)
        application.add_routes(self.volumes.routes())
        self._http = web.AppRunner(application)
        await self._http.setup()
        await web.TCPSite(self._http, "127.0.0.1", 0).start()
        self.volumes.http_url = f"http://127.0.0.1:{self._http.addresses[0][1]}"

        self._server = Server([service(self._answer_client)])
        await self._server.start("127.0.0.1", self._port)
        self.port = self._server._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def _stop(self) -> None:
        self._server.close()
        # A client may keep its connection; it is not waited for.
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._server.wait_closed()
        await self.tasks.close()
        await self._http.cleanup()
        # Closed transports let go of their sockets in the loop's next rounds.
        await asyncio.sleep(0.01)
        shutil.rmtree(self._sockets)

    # Answering

    async def _answer_client(self, name: str, stream) -> None:
        self.calls[name] += 1
        if self.latency:
            await asyncio.sleep(self.latency)
        for key in (name, "*"):
            if self._failures.get(key):
                raise GRPCError(self._failures[key].pop(), "an injected error")
        await self._answer(name, stream)

    async def _answer(self, name: str, stream) -> None:
        if hasattr(self.volumes, name):
            await getattr(self.volumes, name)(stream)
            return
        for owner in (self.apps, self.inputs, self.tasks):
            handler = getattr(owner, name, None)
            if handler is not None:
                await respond(handler, stream)
                return
        self.unknown.append(name)
        raise GRPCError(Status.UNIMPLEMENTED, f"{name} is not in the emulator")

    def _container_services(self, container: Container) -> list:
        handlers = ContainerCalls(self, container)

        async def answer(name: str, stream) -> None:
            self.container_calls[name] += 1
            if name in self.hooks:
                self.hooks[name](container)
            if container.killed:
                raise GRPCError(Status.UNAVAILABLE, "this container is dead")
            handler = getattr(handlers, name, None)
            if handler is None:
                await self._answer(name, stream)
                return
            await respond(handler, stream)

        return [service(answer)]


class ContainerCalls:
    """What only a container asks, of the container that asks it."""

    def __init__(self, emulator: Emulator, container: Container):
        self.emulator, self.container = emulator, container

    async def ContainerHello(self, request):
        return None

    async def ContainerHeartbeat(self, request):
        return await self.emulator.tasks.heartbeat(self.container)

    async def FunctionGetInputs(self, request):
        return await self.emulator.tasks.next_input(self.container)

    async def FunctionPutOutputs(self, request):
        for item in request.outputs:
            self.emulator.inputs.output(item)

    async def TaskResult(self, request):
        await self.emulator.tasks.task_result(self.container, request.result)

    async def VolumeReload(self, request):
        await asyncio.sleep(self.emulator.container_latency)
        self.emulator.volumes.reload(request.volume_id, self.container.task_id)

    async def VolumeCommit(self, request):
        await asyncio.sleep(self.emulator.container_latency)
        if not self.emulator.commits_are_lost:
            self.emulator.volumes.commit(request.volume_id, self.container.task_id)
        return api_pb2.VolumeCommitResponse()


async def respond(handler, stream) -> None:
    """Send what a handler makes of the request."""
    response = await handler(await stream.recv_message())
    await stream.send_message(Empty() if response is None else response)


def service(answer):
    """A gRPC service with every method of Modal's, each given to `answer(name, stream)`."""

    def method(name):
        async def handle(self, stream):
            await answer(name, stream)

        return handle

    names = ModalClientBase.__abstractmethods__
    return type("Service", (ModalClientBase,), {name: method(name) for name in names})()
