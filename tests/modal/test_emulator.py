"""The emulator does what its users rely on; the SDK that talks to it is the unmodified one."""

import time
from types import SimpleNamespace

import modal
import pytest
from grpclib import Status

from tests.modal.conftest import wait_until


def toys() -> SimpleNamespace:
    """Functions to deploy. Defined inside another one, they travel by value, without this file."""

    def describe(*paths):
        import os
        from pathlib import Path

        return {
            "environment": os.environ.get("GREETING"),
            "python_path": os.environ.get("PYTHONPATH"),
            "pid": os.getpid(),
            "files": [path for path in paths if Path(path).exists()],
        }

    def wait(seconds):
        import time

        time.sleep(seconds)
        return seconds

    def fail():
        raise ValueError("no such toy")

    def write_file(path, commit):
        from pathlib import Path

        import modal

        before = [one.name for one in Path(path).parent.iterdir()]
        Path(path).write_text("text")
        if commit:
            modal.Volume.from_name("toys").commit()
        return before

    def note_interrupt(path):
        import time
        from pathlib import Path

        import modal

        if Path(path).exists():
            return "interrupted before"
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            Path(path).touch()
            modal.Volume.from_name("toys").commit()
            raise

    def take_memory(megabytes):
        import time

        block = bytearray(megabytes * 2**20)
        time.sleep(60)
        return len(block)

    return SimpleNamespace(**locals())


TOYS = toys()


@pytest.fixture
def deploy(emulator):
    """Deploys one of the toys with the given options and gives a handle on it."""

    def deploy(function, **options) -> modal.Function:
        app = modal.App("toys")
        volume = modal.Volume.from_name("toys", create_if_missing=True, version=2)
        image = modal.Image.debian_slim().env({"GREETING": "hello"})
        options = {"image": image, "volumes": {"/vol": volume}, "scaledown_window": 2} | options
        app.function(name="toy", serialized=True, **options)(function)
        app.deploy()
        return modal.Function.from_name("toys", "toy")

    return deploy


def test_a_deployed_function_runs_in_a_container(deploy, emulator):
    function = deploy(TOYS.describe)
    seen = function.remote(str(emulator.root), __file__, "/vol", "/usr/bin/env")
    assert seen["environment"] == "hello"
    assert seen["pid"] == 1
    # Neither this machine's files nor this project's environment are there.
    assert seen["files"] == ["/vol", "/usr/bin/env"]
    assert seen["python_path"] is None


def test_an_exception_of_the_function_reaches_the_caller(deploy):
    with pytest.raises(ValueError, match="no such toy"):
        deploy(TOYS.fail).remote()


def test_containers_are_reused_capped_and_ended_when_idle(deploy, emulator):
    function = deploy(TOYS.wait, max_containers=2)
    calls = [function.spawn(0.3) for _ in range(6)]
    assert [call.get() for call in calls] == [0.3] * 6
    assert emulator.most_containers == 2
    assert emulator.tasks.started == 2
    wait_until(lambda: not emulator.containers(), 6)


def test_a_lowered_maximum_ends_idle_containers_at_once_and_busy_ones_after_their_call(
    deploy, emulator
):
    function = deploy(TOYS.wait, max_containers=1, scaledown_window=60)
    function.autoscaler.update(max_containers=3)
    calls = [function.spawn(seconds) for seconds in (0.5, 3, 3)]
    wait_until(lambda: function.get_current_stats().num_running_inputs == 3)
    assert function.get_current_stats().num_total_runners == 3
    calls[0].get()
    assert function.autoscaler.update(max_containers=1).max_containers == 1
    wait_until(lambda: len(emulator.containers()) == 2, 2)
    assert [call.get() for call in calls[1:]] == [3, 3]
    wait_until(lambda: len(emulator.containers()) == 1, 2)
    assert emulator.most_containers == 3


def test_a_deployment_forgets_what_was_changed_of_the_autoscaler(deploy):
    deploy(TOYS.wait, max_containers=1).autoscaler.update(max_containers=3)
    assert deploy(TOYS.wait, max_containers=1).autoscaler.settings().max_containers == 1


def test_variants_have_containers_of_their_own(deploy, emulator):
    function = deploy(TOYS.wait, max_containers=1)
    other = function.with_options(memory=300, max_containers=2)
    calls = [one.spawn(1) for one in (function, function, other, other, other)]
    [call.get() for call in calls]
    assert emulator.most_containers == 3


def test_what_is_not_committed_is_not_seen_by_others(deploy):
    function = deploy(TOYS.write_file, max_containers=2)
    volume = modal.Volume.from_name("toys")
    assert function.remote("/vol/lost", False) == []
    assert volume.listdir("/") == []
    assert function.remote("/vol/kept", True) == ["lost"]
    assert [entry.path for entry in volume.listdir("/")] == ["kept", "lost"]


def test_a_killed_container_is_replaced_and_its_input_delivered_again(deploy, emulator):
    call = deploy(TOYS.wait).spawn(1.0)
    wait_until(lambda: any(one.call for one in emulator.containers()))
    emulator.kill(emulator.containers()[0].task_id)
    assert call.get() == 1.0
    assert emulator.inputs.by_id[call.object_id].deliveries == 2
    assert emulator.tasks.ended[0][1] != 0


def test_a_preempted_container_is_told_before(deploy, emulator):
    call = deploy(TOYS.note_interrupt).spawn("/vol/interrupted")
    wait_until(lambda: any(one.call for one in emulator.containers()))
    time.sleep(0.3)
    emulator.preempt(emulator.containers()[0].task_id)
    assert call.get(timeout=20) == "interrupted before"


def test_too_much_memory_ends_the_container(deploy, emulator):
    call = deploy(TOYS.take_memory, memory=(100, 300)).spawn(500)
    wait_until(lambda: emulator.tasks.ended)
    assert emulator.tasks.ended[0][1] == 137
    call.cancel(terminate_containers=True)


def test_a_call_that_takes_too_long_is_ended(deploy):
    with pytest.raises(modal.exception.FunctionTimeoutError):
        deploy(TOYS.wait, timeout=1).remote(20)


def test_cancelling_ends_the_container(deploy, emulator):
    call = deploy(TOYS.wait).spawn(60)
    wait_until(lambda: any(one.call for one in emulator.containers()))
    call.cancel(terminate_containers=True)
    wait_until(lambda: not emulator.containers(), 2)
    with pytest.raises(modal.exception.RemoteError):
        call.get()


def test_a_deployment_replaces_idle_containers(deploy, emulator):
    deploy(TOYS.wait, scaledown_window=60).remote(0)
    (before,) = emulator.containers()
    deploy(TOYS.wait, scaledown_window=60).remote(0)
    wait_until(lambda: before not in emulator.containers(), 5)


def test_a_function_that_cannot_be_imported_fails_its_calls(emulator, tmp_path, monkeypatch):
    (tmp_path / "toy_module.py").write_text("def toy(): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import toy_module

    app = modal.App("toys")
    # Its file is not put into the image.
    app.function(name="toy", include_source=False)(toy_module.toy)
    app.deploy()
    with pytest.raises(ModuleNotFoundError, match="toy_module"):
        modal.Function.from_name("toys", "toy").remote()


def test_injected_errors_and_latency_reach_the_client(deploy, emulator):
    function = deploy(TOYS.wait)
    emulator.fail("FunctionMap", 2, Status.UNAVAILABLE)
    assert function.remote(0) == 0  # the SDK itself tries again
    emulator.fail("FunctionMap", 1, Status.PERMISSION_DENIED)
    with pytest.raises(modal.exception.PermissionDeniedError):
        function.remote(0)
    emulator.latency = 0.3
    began = time.monotonic()
    function.remote(0)
    assert time.monotonic() - began > 0.6


def test_what_is_not_implemented_is_reported(emulator):
    with pytest.raises(modal.exception.UnimplementedError):
        modal.Queue.from_name("queue", create_if_missing=True).hydrate()
    assert emulator.unknown == ["QueueGetOrCreate"]
    emulator.unknown.clear()
