"""A loop device on a subject's file, and ext4 on it."""

from pathlib import Path

from .subjects import Subject
from .system import attempt, run, unmount


class LoopStack:
    """ext4 on a loop device, mounted in the subject's folder."""

    def __init__(self, subject: Subject) -> None:
        self.folder = subject.folder / "ext4"
        self._file = subject.path
        self._device: str | None = None

    def start(self) -> None:
        """Makes the file system anew. Nothing is discarded, so that the file stays filled."""
        self._device = run("losetup", "--find", "--show", "--direct-io=on", "--sector-size",
                           4096, self._file).strip()
        run("mkfs.ext4", "-q", "-F", "-i", 8192, "-E",
            "nodiscard,lazy_itable_init=0,lazy_journal_init=0", self._device, timeout=300)
        self.folder.mkdir(exist_ok=True)
        run("mount", self._device, self.folder)

    def stop(self) -> None:
        """Takes both away again."""
        unmount(self.folder)
        if self._device:
            attempt("losetup", "--detach", self._device)

    def operations(self) -> int:
        """Reads and writes that the device has completed."""
        fields = Path(f"/sys/block/{Path(self._device or '').name}/stat").read_text().split()
        return int(fields[0]) + int(fields[4])
