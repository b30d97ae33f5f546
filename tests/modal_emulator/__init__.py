"""An emulator of Modal's server, for tests without an account.

It answers the calls of the unmodified `modal` package over loopback and runs the package's own
container entrypoint in processes with a private file system. It shows that our code and the
package agree, and what our code does when calls fail, containers die and volumes are slow.

It does not show: image builds (an image is this machine's Python environment plus the files that
were added to it), Modal's scheduling, start times, throughput, gVisor, GPUs, prices or limits.
"""

from tests.modal_emulator.server import Emulator

__all__ = ["Emulator"]
