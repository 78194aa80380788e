"""Commands, processes and counters of the machine. Nothing here waits without a limit."""

import os
import re
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Sequence

TICKS = os.sysconf("SC_CLK_TCK")
PROCESSORS = os.cpu_count() or 1


class Failure(Exception):
    """Something did not work; the text says what, with the evidence."""


def run(*command: object, timeout: float = 60, **options) -> str:
    """Runs a command and returns what it printed; a failure carries what it complained of."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, timeout=timeout, stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    except subprocess.TimeoutExpired:
        raise Failure(f"no end within {timeout:.0f} s: {' '.join(words)}") from None
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip()[-2000:]
        raise Failure(f"exit {done.returncode}: {' '.join(words)}\n{output}")
    return done.stdout


def attempt(*command: object) -> bool:
    """Runs a command whose failure is not an error, as in cleaning up."""
    try:
        run(*command, timeout=15)
        return True
    except Failure:
        return False


def is_mounted(point: Path) -> bool:
    """Whether something is mounted exactly there. Asks the kernel's list, never the mount."""
    escaped = re.sub(r"[ \t\n\\]", lambda found: f"\\{ord(found[0]):03o}", str(point))
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4] == escaped for line in lines)


def unmount(point: Path) -> None:
    """Unmounts what is there: properly, or else by name only."""
    if is_mounted(point) and not attempt("umount", point):
        attempt("umount", "--lazy", point)


class Daemon:
    """A server in the foreground of its own, with its output in a log."""

    def __init__(self, log: Path, command: Sequence[object], **options) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, **options)
        self.pid = self._process.pid

    def wait_until(self, is_ready: Callable[[], bool], seconds: float = 30) -> None:
        """Waits until it serves. A failure carries the end of its log."""
        limit = time.monotonic() + seconds
        while not is_ready():
            ended = self._process.poll() is not None
            if ended or time.monotonic() > limit:
                state = f"ended with {self._process.returncode}" if ended else "is not ready"
                text = self._log.read_text(errors="replace").strip()[-2000:]
                raise Failure(f"{self._process.args[0]} {state}:\n{text}")
            time.sleep(0.05)

    def await_end(self) -> None:
        """Waits for the end that an unmount brings; if it does not, ends it."""
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.end()

    def kill(self) -> None:
        """Ends it without a warning, as a crash does."""
        self._process.kill()
        self._process.wait(timeout=10)

    def end(self) -> None:
        """Ends it: kindly, and after five seconds for certain."""
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=5)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens at."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def answers(port: int) -> bool:
    """Whether somebody listens at a port of this machine."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def processor_seconds(pids: Sequence[int]) -> float:
    """User and system time that processes have used."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def steal_seconds() -> float:
    """Time that the host of this machine took from all its processors."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / TICKS


def drop_caches() -> None:
    """Makes the next reads cold, for everything on the machine."""
    run("sync", timeout=300)
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def machine(folder: Path) -> dict[str, object]:
    """What the figures depend on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": model[1] if model else os.uname().machine,
        "processors": PROCESSORS,
        "kernel": os.uname().release,
        "file_system": run("stat", "-f", "-c", "%T", folder).strip(),
    }


def parse_size(text: str) -> int:
    """Bytes of a size such as 64M or 1G."""
    found = re.fullmatch(r"([1-9]\d*)([KMG])", text.upper())
    if not found:
        raise ValueError(text)
    return int(found[1]) << {"K": 10, "M": 20, "G": 30}[found[2]]
