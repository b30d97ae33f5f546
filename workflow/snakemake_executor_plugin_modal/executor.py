"""Sends jobs to Modal, waits for them, takes up those of an earlier run, and cancels them."""

import asyncio
import contextlib
import functools
import shlex
import signal
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any

import modal
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor

from snakemake_executor_plugin_modal import Executor, jobs
from snakemake_executor_plugin_modal.api import (
    PASSING,
    Patience,
    environment_values,
)
from snakemake_executor_plugin_modal.batches import made, merged, parse_sizes, split
from snakemake_executor_plugin_modal.classes import Class, choose, parse_classes
from snakemake_executor_plugin_modal.deployment import STORAGE_PLUGIN, Deployment
from snakemake_executor_plugin_modal.errors import ModalPluginError
from snakemake_executor_plugin_modal.records import Record, short_hash
from snakemake_executor_plugin_modal.settings import ExecutorSettings
from snakemake_executor_plugin_modal.shares import Shares, counts

DEFAULT_CLASSES = ["4000", "16000"]

LONG_POLL = 50
"""Seconds that Modal holds the question for a result before it answers that there is none."""

ROUND = 0.2
"""Seconds until a new job is looked at too."""

CANCEL_PATIENCE = 20
"""Seconds without an answer after which cancelling is given up."""


@dataclass
class Sent:
    """A call: its jobs that are not reported yet, and the task that waits for its result."""

    keys: set[str]
    call: modal.FunctionCall
    one: Class
    together: bool = False
    inherited: bool = False
    result: asyncio.Task[dict] | None = None


class ModalExecutor(Executor):
    def __post_init__(self) -> None:
        settings: ExecutorSettings = self.workflow.executor_settings
        if settings.volume is None:
            settings = replace(settings, volume=default_volume(self.workflow.storage_settings))
        self.settings = settings
        self.next_seconds_between_status_checks = 0.1
        self.sent: dict[str, Sent] = {}
        self.ending = False
        self.patience = Patience(settings.patience, self.logger)
        self.env = environment_values(settings.env)
        self.most = settings.max_containers or self.workflow.resource_settings.nodes
        self.classes = parse_classes(settings.memory_classes or DEFAULT_CLASSES)
        self.sizes = parse_sizes(settings.batches)
        self.planned = [job for job in self.workflow.dag.needrun_jobs() if not job.is_local]
        jobs.refuse_impossible(self.planned, lambda asked: choose(self.classes, asked))
        self.deployment = Deployment(settings, self.classes)
        self.volume = modal.Volume.from_name(
            settings.volume_name, environment_name=settings.environment
        )
        outputs = [path for job in self.planned for path in jobs.outputs(job, settings.volume_name)]
        archive = self.workflow.source_archive.query
        self.record = Record(self.volume, outputs, self.patience, archive)
        self.outside = jobs.files_outside(self.workflow.configfiles)
        asyncio.run(self._prepare())

    # Before the first job

    async def _prepare(self) -> None:
        try:
            await self.patience.ask(self.volume.hydrate.aio, "the volume")
        except modal.exception.NotFoundError:
            raise ModalPluginError(
                f"there is no Modal Volume {self.settings.volume!r}: check --modal-volume, or make "
                f"it with `modal volume create --version=2 {self.settings.volume}`"
            ) from None
        names = await self.record.acquire()
        try:
            await self._cancel_others()
            self.functions = await self.patience.ask(
                lambda: self.deployment.functions(self.logger), "the deployment"
            )
            self.shares = Shares(
                self.most, self.settings.scaledown_window, self.functions, self.patience
            )
            await self._check_image(names)
        except BaseException:
            await self.record.release()
            raise

    async def _cancel_others(self) -> None:
        """End calls of an earlier run that none of this run's jobs can take up.

        They were sent by other code, or with another config, and would go on to write files that
        this run makes, maybe after it has made them.
        """
        taken_up = {self.record.inherited.get(self._key(job)) for job in self.planned}
        others = set(self.record.inherited.values()) - taken_up
        if not others:
            return
        self.logger.info(
            f"Cancelling {len(others)} calls of an earlier run, whose code or config was another."
        )
        await self._cancel([modal.FunctionCall.from_id(one) for one in sorted(others)])
        self.record.drop(others)

    async def _check_image(self, names: set[str]) -> None:
        """Let a container import everything, once after each deployment."""
        checked = f".smk-modal/checked-{self.deployment.digest}"
        if checked in names:
            return
        one = self.classes[0]
        function = self.functions[one]
        request = {
            "kind": "check",
            "packages": self.deployment.packages,
            "preload": self.settings.preload,
            "command": shlex.split(self.settings.check or ""),
            "env": self.env,
            "memory_mb": one.memory_mb,
            "hard_limit_mb": one.hard_limit_mb,
            "seconds": self.settings.start_timeout,
        }
        await self._first_room(one)
        call = await self.patience.ask(lambda: function.spawn.aio(request), "the start-up check")
        limit = self.settings.start_timeout
        app = f"the app {self.deployment.app_name}"
        try:
            answer = await self.patience.ask(
                lambda: call.get.aio(timeout=limit), "the start-up check"
            )
        except TimeoutError:
            await call.cancel.aio(terminate_containers=True)
            raise ModalPluginError(
                f"no container of {app} was ready within {limit} s (--modal-start-timeout); "
                f"`modal app logs {self.deployment.app_name}` tells why"
            ) from None
        except modal.exception.Error as error:
            raise ModalPluginError(f"a container of {app} could not start: {error}") from error
        if answer["error"]:
            raise ModalPluginError(f"a container of {app} cannot run jobs: {answer['error']}")
        from snakemake_modal_worker.main import versions

        differences = jobs.version_differences(answer["versions"], versions())
        if differences:
            raise ModalPluginError(
                f"the image of {app} does not fit: {'; '.join(differences)}. Make "
                "--modal-requirements and --modal-python say what is installed here"
            )
        await self.record.mark(checked)

    async def _first_room(self, one: Class) -> None:
        """Wait until there may be a container of this class, beside those of earlier runs."""
        nothing = counts(self.classes, [], self.most)
        wanted = nothing | {one: 1}
        await self.shares.move(wanted, nothing)
        while not self.shares.room(wanted, nothing)[one]:
            await asyncio.sleep(ROUND)
            await self.shares.move(wanted, nothing)

    # Sending

    def get_job_args(self, job: jobs.Job, **kwargs: Any) -> str:
        # Cores of the container, not of the coordinator.
        return RealExecutor.get_job_args(self, job, cores=max(job.threads, 1))

    def run_job(self, job: jobs.Job) -> None:
        self.run_jobs([job])

    def run_jobs(self, jobs_to_run: list[jobs.Job]) -> None:
        """Take jobs; they are sent, by `_send`, once there may be containers for them."""
        infos = [self._info(job) for job in jobs_to_run]
        alike: dict[Any, list[SubmittedJobInfo]] = {}
        for info in infos:
            alike.setdefault(self._alike(info), []).append(info)
        for those in alike.values():
            for batch in split(those, self.sizes.get(those[0].job.name, 1)):
                for info in batch:
                    info.aux["batch"] = batch
        for info in infos:
            self.run_job_pre(info.job)
            self.report_job_submission(info)

    def _info(self, job: jobs.Job) -> SubmittedJobInfo:
        one = choose(self.classes, jobs.needs(job))
        return SubmittedJobInfo(job, aux={"class": one, "key": self._key(job)})

    def _alike(self, info: SubmittedJobInfo) -> object:
        """Equal for jobs that may go into one call; those that failed before go alone."""
        job = info.job
        if job.is_group() or job.attempt > 1:
            return info.aux["key"]
        return job.name, job.threads, info.aux["class"]

    async def _send(self, infos: list[SubmittedJobInfo]) -> None:
        """Send those jobs for which there may be containers; the others stay without a call."""
        if self.ending:
            return
        for info in infos:
            if info.external_jobid is None:
                self._take_up(info)
        held = self._batches([info for info in infos if info.external_jobid is None])
        under_way = [sent.one for sent in self.sent.values()]
        asked = [*under_way, *(batch[0].aux["class"] for batch in held)]
        wanted = counts(self.classes, asked, self.most)
        sent = counts(self.classes, under_way, self.most)
        await self.shares.move(wanted, sent)
        room = self.shares.room(wanted, sent)
        chosen = []
        for batch in held:
            if room[batch[0].aux["class"]]:
                room[batch[0].aux["class"]] -= 1
                chosen.append(batch)
        await asyncio.gather(*(self._spawn(batch) for batch in chosen))

    def _batches(self, held: list[SubmittedJobInfo]) -> list[list[SubmittedJobInfo]]:
        """Jobs that go into one call each, once all of a batch have been handed over."""
        here = {info.aux["key"] for info in held}
        found = {}
        for info in held:
            batch = [one for one in info.aux["batch"] if one.external_jobid is None]
            if here.issuperset(one.aux["key"] for one in batch):
                found[batch[0].aux["key"]] = batch
        return list(found.values())

    def _take_up(self, info: SubmittedJobInfo) -> None:
        """Wait for the call of an earlier run, if there is one for this job."""
        key = info.aux["key"]
        call_id = self.record.inherited.get(key)
        if call_id is None:
            return
        self.logger.info(f"Waiting for the call {call_id} of an earlier run: {info.job.name}.")
        if call_id not in self.sent:
            call = modal.FunctionCall.from_id(call_id)
            self.sent[call_id] = Sent(set(), call, info.aux["class"], inherited=True)
        self.sent[call_id].keys.add(key)
        self.record.note(key, call_id)
        info.external_jobid = call_id

    async def _spawn(self, batch: list[SubmittedJobInfo]) -> None:
        """Send jobs in a new call; each by itself later if their commands cannot be one."""
        one = batch[0].aux["class"]
        job_commands = [jobs.commands(self.format_job_exec(info.job)) for info in batch]
        command = job_commands[0] if len(batch) == 1 else merged(job_commands)
        if command is None:
            for info in batch:
                info.aux["batch"] = [info]
            return
        env = {**self.env, **self.envvars()}
        together = [info.job for info in batch]
        packages = self.deployment.packages
        request = jobs.payload(together, command, env, one, self.settings, self.outside, packages)
        function = self.functions[one]
        call = await self.patience.ask(lambda: function.spawn.aio(request), "a call")
        keys = {info.aux["key"] for info in batch}
        self.sent[call.object_id] = Sent(keys, call, one, together=len(batch) > 1)
        for info in batch:
            self.record.note(info.aux["key"], call.object_id)
            info.external_jobid = call.object_id
        if self.ending:
            # Cancelled meanwhile, by another thread that did not see this call.
            await self._cancel([call])

    def _key(self, job: jobs.Job) -> str:
        """The same for the same job of the same workflow, whatever the attempt."""
        names = jobs.outputs(job, self.settings.volume_name) or [str(job.get_target_spec())]
        return short_hash("\0".join([self._workflow_digest, *sorted(names)]))

    @functools.cached_property
    def _workflow_digest(self) -> str:
        """The same for the same sources and settings.

        Of the sources' content: Snakemake packs them in any order, so that the archive it names
        in the command differs each time. It names sets in any order too.
        """
        factory = self.workflow.spawned_job_args_factory
        archive = self.workflow.source_archive
        common = f"{factory.general_args(self.common_settings)} "
        common += factory.precommand(self.common_settings)
        words = {word for word in shlex.split(common)} - {archive.query, archive.checksum}
        sources = jobs.digest_of_files([*self.workflow.dag.get_sources(), *self.outside])
        packages = map(str, sorted(self.deployment.packages.items()))
        return short_hash("\0".join([*sorted(words), sources, *packages]))

    # Waiting

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncIterator[SubmittedJobInfo]:
        if not active_jobs:
            if getattr(self, "record", None):
                await self.record.beat()
            return
        await self._send(active_jobs)
        waiting = {self._result(info) for info in active_jobs if info.external_jobid}
        if waiting:
            await asyncio.wait(waiting, timeout=ROUND, return_when=asyncio.FIRST_COMPLETED)
        for info in active_jobs:
            done = info.external_jobid and self._result(info).done()
            if not done or not self._finished(info):
                yield info
        await self.record.beat()

    def _result(self, info: SubmittedJobInfo) -> asyncio.Task[dict]:
        sent = self.sent[info.external_jobid]
        if sent.result is None:
            sent.result = asyncio.create_task(self._wait_for(sent.call))
        return sent.result

    async def _wait_for(self, call: modal.FunctionCall) -> dict:
        """What the call returned; a failure outside of the job in the same form."""
        while True:
            try:
                return await self.patience.ask(lambda: call.get.aio(timeout=LONG_POLL), "a result")
            except TimeoutError:
                self.patience.answered()
            except modal.exception.Error as error:
                text = f"Modal ended the call: {type(error).__name__}: {error}"
                return {"ok": False, "failure": "call", "log": text, "stored": []}

    def _finished(self, info: SubmittedJobInfo) -> bool:
        """Report a job whose call ended; False if it shall be sent again instead."""
        sent, key = self.sent[info.external_jobid], info.aux["key"]
        result = self._result(info).result()
        sent.keys.discard(key)
        if not sent.keys:
            del self.sent[info.external_jobid]
        self.record.forget(key)
        # After a failure outputs may also have been removed: then it has to look again.
        note_stored(self.settings.volume_name, result["stored"] if result["ok"] else None)
        files = jobs.files(info.job, self.settings.volume_name)
        if result["ok"] or (result.get("anew") and files and made(files, result["stored"])):
            self.report_job_success(info)
            return True
        if sent.inherited or sent.together:
            # Only a call of this run, and of this job alone, tells that the job has failed.
            if sent.together:
                self.logger.info(f"Sending {', '.join(files)} again by itself: its call failed.")
            info.external_jobid = None
            info.aux["batch"] = [info]
            return False
        self.report_job_error(info, msg=jobs.explain(result, info.job) + "\n")
        return True

    # The end

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        self.ending = True
        calls = [sent.call for sent in list(self.sent.values())]
        calls += [modal.FunctionCall.from_id(one) for one in self.record.inherited.values()]
        if not calls or self.patience.lost:
            return
        self.logger.info(f"Cancelling {len(calls)} calls on Modal, and ending their containers.")
        # A second Ctrl-C must not leave containers that are paid for.
        with interrupts_ignored():
            self._in_thread(self._cancel(calls))

    async def _cancel(self, calls: list[modal.FunctionCall]) -> None:
        patience = Patience(CANCEL_PATIENCE, self.logger)
        ask = [
            patience.ask(functools.partial(call.cancel.aio, terminate_containers=True), "an end")
            for call in calls
        ]
        answers = await asyncio.gather(*ask, return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, Exception)]
        if failures:
            self.logger.error(
                f"{len(failures)} calls could not be cancelled ({failures[0]}): end them with "
                f"`modal app stop {self.deployment.app_name}`"
            )

    def shutdown(self) -> None:
        super().shutdown()
        if self.patience.lost:
            # Calls may be running; whoever runs the same command again finds them by the record.
            return
        self.record._patience = Patience(CANCEL_PATIENCE, self.logger)
        try:
            with interrupts_ignored():
                self._in_thread(self.record.release())
        except (*PASSING, ModalPluginError) as error:
            self.logger.warning(f"the record of this run stays on the volume: {error}")

    def _in_thread(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run to the end in a thread that the interpreter waits for; pass on what it raises."""
        failure: list[BaseException] = []

        def work() -> None:
            try:
                asyncio.run(coroutine)
            except Exception as error:  # noqa: BLE001  (raised again below)
                failure.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]


def default_volume(storage_settings: Any) -> str:
    """The volume of the default storage.

    Raises:
        ModalPluginError: files are stored elsewhere by default.
    """
    scheme, _, rest = (storage_settings.default_storage_prefix or "").partition("://")
    if scheme != "modal" or not rest:
        raise ModalPluginError(
            "which volume? Give --default-storage-provider modal and --default-storage-prefix "
            "modal://VOLUME, or --modal-volume"
        )
    return rest.partition("/")[0]


@contextlib.contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ctrl-C does nothing inside, if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def note_stored(volume: str, stored: list[list] | None) -> None:
    """Tell the storage plugin, if it is in use, what a job wrote, so that it need not ask Modal."""
    plugin = sys.modules.get(STORAGE_PLUGIN)
    if plugin is not None:
        plugin.note_stored(volume, stored)
