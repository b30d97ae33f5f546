"""Containers: processes running Modal's own entrypoint, and when they are started and ended."""

import asyncio
import collections
import os
import re
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from grpclib.server import Server
from modal_proto import api_pb2

from tests.modal_emulator.calls import RESULT, Call

DEFAULT_SCALEDOWN = 60
"""Seconds an idle container is kept when the function does not say."""

PREEMPTION_GRACE = 10
"""Seconds between the signal that announces a preemption and the end; Modal gives 30."""

START_FAILURES = 3
"""How often a function's containers may fail to start before its inputs fail with the reason."""

MEMORY_INTERVAL = 0.1
"""Seconds between two looks at how much memory a container uses."""

ENTER = Path(__file__).with_name("enter_container.sh")


@dataclass
class Container:
    task_id: str
    function_id: str
    definition: api_pb2.Function = field(repr=False)
    folder: Path = field(repr=False)
    process: asyncio.subprocess.Process | None = None
    server: Server | None = field(default=None, repr=False)
    call: Call | None = field(default=None, repr=False)
    retired: bool = False
    ready: bool = False
    killed: bool = False
    killed_for_memory: bool = False
    inputs: int = 0
    cancelled_inputs: asyncio.Queue = field(default_factory=asyncio.Queue, repr=False)

    @property
    def volume_mounts(self):
        return self.definition.volume_mounts

    def entrypoint(self) -> psutil.Process | None:
        """The first process in the container, None while it is being prepared or after its end."""
        try:
            children = psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return None
        return children[0] if children else None

    def memory_mb(self) -> float:
        total = 0
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    total += process.memory_full_info().pss
        return total / 2**20

    def end(self) -> None:
        self.killed = True
        if self.process is not None and self.process.returncode is None:
            # Not process.kill(), which may reap it before asyncio does.
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)


class Containers:
    """Starts containers for waiting inputs and ends idle ones, per function and its variants.

    `serve(container)` gives the gRPC services that a container may call.
    """

    def __init__(self, apps, calls, volumes, root: Path, sockets: Path, serve):
        self.apps, self.calls, self.volumes = apps, calls, volumes
        self.root, self.sockets, self._serve = root, sockets, serve
        self.live: dict[str, Container] = {}
        self.most = 0
        self.most_of: collections.Counter[str] = collections.Counter()
        self.idle_outlive_a_lower_maximum = False
        self.started = 0
        self.ended: list[tuple[str, int]] = []
        self.start_failures: dict[str, int] = {}
        self.errors: list[BaseException] = []
        self._closing = False
        self._tasks: set[asyncio.Task] = set()

    # The autoscaler

    def wake(self, function_id: str) -> None:
        """Start as many containers as the waiting inputs need and the function's cap allows."""
        definition = self.apps.definition(function_id)
        limit = self.apps.autoscaler(function_id).max_containers or sys.maxsize
        if self._closing:
            return
        mine = self._of_function(function_id)
        free = sum(1 for one in mine if one.call is None and not one.retired)
        wanted = len(self.calls.waiting(function_id)) - free
        for _ in range(min(wanted, limit - len(mine))):
            self._start(function_id, definition)

    def retire_surplus(self, function_id: str) -> None:
        """After a maximum was lowered: idle containers above it end, busy ones after their call.

        Modal does not say what becomes of them; that no call is ended is an assumption.
        """
        limit = self.apps.autoscaler(function_id).max_containers or sys.maxsize
        staying = [one for one in self._of_function(function_id) if not one.retired]
        idle = [one for one in staying if one.call is None]
        if not self.idle_outlive_a_lower_maximum:
            for container in idle[: max(len(staying) - limit, 0)]:
                container.retired = True
        self.spawn(self.calls.notify())

    def retire_app(self, app_id: str) -> None:
        """After a deployment: containers of the earlier one end as soon as they are idle."""
        for container in self.live.values():
            if self.apps.functions[container.function_id].app_id == app_id:
                container.retired = True
        self.spawn(self.calls.notify())

    def spawn(self, coroutine) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        if task.exception() is not None:
            self.errors.append(task.exception())

    def _start(self, function_id: str, definition: api_pb2.Function) -> None:
        self.started += 1
        task_id = f"ta-{self.started:06d}"
        container = Container(task_id, function_id, definition, self.root / "tasks" / task_id)
        self.live[task_id] = container
        self.most = max(self.most, len(self.live))
        alive = len(self._of_function(function_id))
        self.most_of[function_id] = max(self.most_of[function_id], alive)
        self.spawn(self._run(container))

    async def _run(self, container: Container) -> None:
        socket = self.sockets / container.task_id
        container.server = Server(self._serve(container))
        await container.server.start(path=str(socket))
        arguments, environment = self._prepare(container, socket)
        with (self.root / "logs" / f"{container.task_id}.log").open("wb") as log:
            container.process = await asyncio.create_subprocess_exec(
                *arguments,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        watch = asyncio.create_task(self._watch(container))
        try:
            code = await container.process.wait()
        finally:
            watch.cancel()
            container.end()
        await self._ended(container, 137 if container.killed_for_memory else code)

    async def _ended(self, container: Container, code: int) -> None:
        self.ended.append((container.task_id, code))
        del self.live[container.task_id]
        container.server.close()
        await container.server.wait_closed()
        for mount in container.volume_mounts:
            self.volumes.close_view(mount.volume_id, container.task_id)
        shutil.rmtree(container.folder, ignore_errors=True)
        if not container.ready and not container.retired:
            await self._failed_to_start(container)
        if container.call is not None:
            self.spawn(self.calls.give_back(container.call))
        self.wake(container.function_id)

    async def _failed_to_start(self, container: Container, result=None) -> None:
        failures = self.start_failures.get(container.function_id, 0) + 1
        self.start_failures[container.function_id] = failures
        if failures < START_FAILURES:
            return
        self.start_failures[container.function_id] = 0
        result = result or RESULT(
            status=RESULT.GENERIC_STATUS_INIT_FAILURE, exception="the container did not start"
        )
        waiting = self.calls.waiting(container.function_id)
        for call in waiting[:]:
            waiting.remove(call)
            call.finish(result)

    async def _watch(self, container: Container) -> None:
        """End a container that uses more memory than its hard limit, or takes too long."""
        limit = container.definition.resources.memory_mb_max
        timeout = container.definition.timeout_secs
        call, since = None, time.monotonic()
        while True:
            await asyncio.sleep(MEMORY_INTERVAL)
            if container.call is not call:
                call, since = container.call, time.monotonic()
            if call is not None and timeout and time.monotonic() - since > timeout:
                call.finish(RESULT(status=RESULT.GENERIC_STATUS_TIMEOUT, exception="timed out"))
                container.end()
            if limit and container.memory_mb() > limit:
                container.killed_for_memory = True
                container.end()

    # What a container is given

    def _prepare(self, container: Container, socket: Path) -> tuple[list[str], dict[str, str]]:
        definition = container.definition
        root, image = container.folder / "root", container.folder / "image"
        root.mkdir(parents=True)
        image.mkdir()
        for mount_id in definition.mount_ids:
            for file in self.apps.mounts[mount_id]:
                path = image / file.filename.lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.apps.files[file.sha256_hex])
        views = [
            f"{self.volumes.open_view(mount.volume_id, container.task_id)}={mount.mount_path}"
            for mount in definition.volume_mounts
        ]
        container_arguments = api_pb2.ContainerArguments(
            task_id=container.task_id,
            function_id=container.function_id,
            app_id=self.apps.functions[container.function_id].app_id,
            function_def=definition,
            app_layout=self.apps.layout(self.apps.functions[container.function_id].app_id),
            environment_name="main",
        )
        (image / "modal-arguments").write_bytes(container_arguments.SerializeToString())
        environment = {
            "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            **image_environment(self.apps.image_lines(definition.image_id)),
            "MODAL_SERVER_URL": f"unix:{socket}",
            "MODAL_CONTAINER_ARGUMENTS_PATH": "/modal-arguments",
            "MODAL_IS_REMOTE": "1",
            "MODAL_TASK_ID": container.task_id,
        }
        for secret_id in definition.secret_ids:
            environment |= self.apps.secrets[secret_id]
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        shown = " ".join([sys.prefix, sys.base_prefix, str(self.sockets)])
        arguments = [
            *("unshare", *user, "--mount", "--pid", "--fork", "--kill-child"),
            *("/bin/sh", str(ENTER), str(root), str(image), shown, " ".join(views)),
            *(sys.executable, "-m", "modal._container_entrypoint"),
        ]
        return arguments, environment

    # What a container asks

    async def next_input(self, container: Container) -> api_pb2.FunctionGetInputsResponse:
        container.ready = True
        container.call = None
        self.retire_surplus(container.function_id)
        call = await self.calls.take(
            container.function_id,
            container.task_id,
            lambda: (
                self.apps.autoscaler(container.function_id).scaledown_window or DEFAULT_SCALEDOWN
            ),
            lambda: not container.retired,
        )
        if call is None:
            container.retired = True
            end = api_pb2.FunctionGetInputsItem(kill_switch=True)
            return api_pb2.FunctionGetInputsResponse(inputs=[end])
        container.call = call
        container.inputs += 1
        return api_pb2.FunctionGetInputsResponse(inputs=[call.item()])

    async def heartbeat(self, container: Container) -> api_pb2.ContainerHeartbeatResponse:
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                input_id = await container.cancelled_inputs.get()
                event = api_pb2.CancelInputEvent(input_ids=[input_id])
                return api_pb2.ContainerHeartbeatResponse(cancel_input_event=event)
        return api_pb2.ContainerHeartbeatResponse()

    async def task_result(self, container: Container, result: api_pb2.GenericResult) -> None:
        """A container reports that it could not import its function."""
        await self._failed_to_start(container, result)
        container.ready = True
        container.retired = True

    def cancel_input(self, task_id: str, input_id: str) -> None:
        self.live[task_id].cancelled_inputs.put_nowait(input_id)

    def stop(self, task_id: str) -> None:
        if task_id in self.live:
            self.live[task_id].retired = True
            self.live[task_id].end()

    # What a client asks

    async def AppStop(self, request):
        self.apps.apps[request.app_id].published = False
        for call in self.calls.by_id.values():
            if self.apps.functions[call.function_id].app_id == request.app_id:
                call.finish(RESULT(status=RESULT.GENERIC_STATUS_TERMINATED))
        for container in self._of_app(request.app_id):
            container.retired = True
            container.end()
        while self._of_app(request.app_id):
            await asyncio.sleep(0.01)

    async def ContainerStop(self, request):
        self.live[request.task_id].end()
        return api_pb2.ContainerStopResponse()

    async def TaskList(self, request):
        tasks = [
            api_pb2.TaskStats(task_id=one.task_id, app_id=request.app_id)
            for one in self._of_app(request.app_id)
        ]
        return api_pb2.TaskListResponse(tasks=tasks)

    async def FunctionGetSchedulingParams(self, request):
        settings = self.apps.autoscaler(request.function_id)
        return api_pb2.FunctionGetSchedulingParamsResponse(
            autoscaler_configuration=api_pb2.AutoscalerConfiguration(settings=settings)
        )

    async def FunctionUpdateSchedulingParams(self, request):
        self.apps.functions[request.function_id].override.MergeFrom(request.settings)
        self.retire_surplus(request.function_id)
        self.wake(request.function_id)
        settings = self.apps.autoscaler(request.function_id)
        return api_pb2.FunctionUpdateSchedulingParamsResponse(current_settings=settings)

    async def FunctionGetCurrentStats(self, request):
        mine = self._of_function(request.function_id)
        return api_pb2.FunctionStats(
            backlog=len(self.calls.waiting(request.function_id)),
            num_total_tasks=len(mine),
            num_running_inputs=sum(one.call is not None for one in mine),
        )

    def _of_function(self, function_id: str) -> list[Container]:
        return [one for one in self.live.values() if one.function_id == function_id]

    def _of_app(self, app_id: str) -> list[Container]:
        functions = self.apps.functions
        return [one for one in self.live.values() if functions[one.function_id].app_id == app_id]

    # Faults

    async def preempt(self, task_id: str, grace: float = PREEMPTION_GRACE) -> None:
        container = self.live[task_id]
        container.retired = True
        entrypoint = container.entrypoint()
        if entrypoint is not None:
            entrypoint.send_signal(signal.SIGINT)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await container.process.wait()
        container.end()

    async def close(self) -> None:
        self._closing = True
        while self._tasks:
            for container in self.live.values():
                container.end()
            await asyncio.wait(self._tasks, timeout=0.1)


def image_environment(lines: list[str]) -> dict[str, str]:
    """The variables that `Image.env` put into the image, from its Dockerfile lines."""
    found = (re.fullmatch(r"ENV (\w+)=(.*)", line) for line in lines)
    return {match[1]: match[2].strip("'\"") for match in found if match}
