"""Look after one container: run its command, write its log, wait for it, record how it ended.

Run as a script of its own (`python -I -S shim.py <container directory>`), so that containers outlive the kubelet. One
shim serves one container and ends with it. It imports next to nothing, because every container pays for it.

    standard input      the order, a marshalled dict: command, env, cwd, log, limits (see `container_dir.order_for`)
    standard output     "ok", or why the command could not be run; then closed
    descriptor 3        the container's lock. Held, unshared, until this process is gone: held means running
    <directory>/process pid and start time of the command, written as soon as it exists
    <directory>/stop    grace in seconds; read at SIGTERM
    <directory>/exit    how it ended, written once, by rename, after every process of the container is gone

The command leads a session and process group of its own. Whatever it leaves behind is adopted (Linux) and killed once
it has ended. At SIGTERM the group gets the stop signal, and SIGKILL when the grace is over. The log has the CRI's
format. If the log cannot be written (disk full) its lines are lost and the container runs on.
"""

# No pathlib here: it would cost every container its import.
# ruff: noqa: PTH104, PTH105, PTH108, PTH112, PTH118, PTH123, PTH208, S606, UP031

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # NB: `signal` itself imports enum: 5 ms of CPU
import marshal
import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Prctl = Callable[..., Any]
    Order = dict[str, Any]

LOCK = 3
CHUNK = 65536
MAX_LINE = 16384  # longer lines are written in parts, as containerd does
DEFAULT_GRACE_SECONDS = 30.0
DRAIN_SECONDS = 5.0
LOOK_SECONDS = 0.1
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Log:
    """One container's log file, rotated by size: `0.log`, and older ones `0.log.000001`, `0.log.000002`, …"""

    def __init__(self, path: bytes, max_bytes: int, max_files: int) -> None:
        self.path, self.max_bytes, self.max_files = path, max_bytes, max_files
        self.rotated = 0
        self.size = 0
        self.file = -1
        self.open()

    def open(self) -> None:
        self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.size = os.fstat(self.file).st_size

    def write(self, data: bytes) -> None:
        try:
            if self.size and self.size + len(data) > self.max_bytes:
                self.rotate()
            while data:
                written = os.write(self.file, data)
                self.size += written
                data = data[written:]
        except OSError as err:
            os.write(2, b"log lines lost: %s\n" % os.fsencode(str(err)))

    def rotate(self) -> None:
        self.rotated += 1
        os.close(self.file)
        os.rename(self.path, self.path + b".%06d" % self.rotated)
        self.open()
        gone = self.rotated - (self.max_files - 1)
        if gone > 0:
            try:
                os.unlink(self.path + b".%06d" % gone)
            except FileNotFoundError:
                os.write(2, b"an old log was removed by someone else\n")


class Stream:
    """Turns what one pipe says into lines of the CRI's format; a line without its end waits here for it."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        head = timestamp() + b" " + self.name
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        records = []
        for line in lines:
            while len(line) > MAX_LINE:
                records.append(head + b" P " + line[:MAX_LINE])
                line = line[MAX_LINE:]
            records.append(head + b" F " + line)
        while len(self.rest) >= MAX_LINE:
            records.append(head + b" P " + self.rest[:MAX_LINE])
            self.rest = self.rest[MAX_LINE:]
        return b"".join(r + b"\n" for r in records)

    def end(self) -> bytes:
        """The last line had no newline: part of a line it stays."""
        if not self.rest:
            return b""
        record = timestamp() + b" " + self.name + b" P " + self.rest + b"\n"
        self.rest = b""
        return record


def timestamp() -> bytes:
    now = time.time_ns()
    t = time.gmtime(now // 10**9)
    return b"%04d-%02d-%02dT%02d:%02d:%02d.%09dZ" % (*t[:6], now % 10**9)


def record(directory: str, name: str, fields: dict[str, object]) -> None:
    """Write a small file of `key=value` lines, whole or not at all."""
    text = "".join("{}={}\n".format(k, str(v).replace("\n", " ")) for k, v in fields.items())
    path = os.path.join(directory, name)
    descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, text.encode("utf-8", "surrogateescape"))
    os.close(descriptor)
    os.replace(path + ".new", path)


def load_prctl() -> Prctl | None:
    """Linux's prctl, or None. NB: loaded before the fork, so that the child only calls it."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    return ctypes.CDLL(None).prctl


def identity(pid: int) -> str:
    """What tells this process from a later one with the same pid: boot and start time. Empty where unknown."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as stat, open("/proc/sys/kernel/random/boot_id") as boot:
            return boot.read().strip() + ":" + stat.read().rpartition(b")")[2].split()[19].decode()
    except OSError:
        return ""


def processes() -> Iterator[tuple[int, bytes, int, int]]:
    """(pid, state, parent, group) of every process that /proc shows."""
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if entry.isdigit():
            try:
                with open("/proc/" + entry + "/stat", "rb") as stat:
                    fields = stat.read().rpartition(b")")[2].split()
            except OSError:
                continue  # gone between the two looks
            yield int(entry), fields[0], int(fields[1]), int(fields[2])


def explain(order: Order, step: bytes, number: int) -> str:
    """The words of runc and containerd, which users search for."""
    program = os.fsdecode(order["command"][0])
    why = os.strerror(number).lower()
    if step == b"chdir":
        return 'chdir to cwd ("{}") set in config.json failed: {}'.format(os.fsdecode(order["cwd"]), why)
    if step == b"user":
        return "unable to set the container's user: " + why
    if number == 2 and "/" not in program:
        why = "executable file not found in $PATH"
    return f'exec: "{program}": {why}'


def become_command(order: Order, out: int, err: int, failed: int, prctl: Prctl | None) -> None:
    """In the child: never returns."""
    step = b"exec"
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        if prctl:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.umask(0o022)
        step = b"user"
        become_user(order)
        step = b"chdir"
        os.chdir(order["cwd"])
        step = b"exec"
        if order["command"][0] == b"":
            raise FileNotFoundError(2, "")
        os.execvpe(order["command"][0], order["command"], order["env"])
    except OSError as error:
        os.write(failed, step + b" %d" % (error.errno or 0))
    finally:
        os._exit(128)


def become_user(order: Order) -> None:
    if order["groups"]:
        os.setgroups(order["groups"])
    if order["gid"] is not None:
        os.setgid(order["gid"])
    if order["uid"] is not None:
        os.setuid(order["uid"])


class Shim:
    """The one container, from its command's birth to the record of its end."""

    def __init__(self, directory: str, order: Order) -> None:
        self.directory = directory
        self.order = order
        self.prctl = load_prctl()
        self.log = Log(order["log"], order["max_bytes"], order["max_files"])
        self.streams: dict[int, Stream] = {}
        self.poller = select.poll()
        self.stop_asked = False
        self.kill_at: float | None = None
        self.status: int | None = None
        self.wake = -1
        self.main = 0
        self.exited_ns = 0

    def run(self) -> None:
        if self.prctl:
            self.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.hear_signals()
        why = self.begin()
        if why:
            self.finish({"exit_code": 128, "signal": 0, "reason": "StartError", "message": why})
            tell(why)
            return
        tell("ok")
        while not self.main_is_gone():
            self.turn()
        self.exited_ns = time.time_ns()
        while self.kill_at is not None and time.monotonic() < self.kill_at and self.leftovers():
            self.turn()
        status = self.kill_all()
        self.drain()
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = 128 + number if number else os.WEXITSTATUS(status)
        self.finish({"exit_code": code, "signal": number, "reason": "Error" if code else "Completed", "message": ""})

    def hear_signals(self) -> None:
        self.wake, wake_end = os.pipe()
        for end in (self.wake, wake_end):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self.on_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.poller.register(self.wake, select.POLLIN)

    def on_stop(self, *_: object) -> None:
        self.stop_asked = True

    def begin(self) -> str:
        """Start the command. Returns why it could not be run, or nothing."""
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        failed, failed_end = os.pipe()
        started_ns = time.time_ns()
        self.main = os.fork()
        if self.main == 0:
            become_command(self.order, out_end, err_end, failed_end, self.prctl)
        for end in (out_end, err_end, failed_end):
            os.close(end)
        fields = {"pid": self.main, "identity": identity(self.main), "started_at": started_ns, "shim": os.getpid()}
        record(self.directory, "process", fields)
        for end, name in ((out, b"stdout"), (err, b"stderr")):
            os.set_blocking(end, False)
            self.streams[end] = Stream(name)
            self.poller.register(end, select.POLLIN)
        answer = os.read(failed, 64)
        os.close(failed)
        if not answer:
            return ""
        os.waitpid(self.main, 0)
        step, _, number = answer.partition(b" ")
        return explain(self.order, step, int(number))

    def turn(self) -> None:
        """One turn of the loop: wait for output, a child's end, an order to stop, or the end of the grace."""
        wait: float | None = None
        if self.kill_at is not None:
            left = self.kill_at - time.monotonic()
            wait = 1000 * (min(LOOK_SECONDS, left) if left > 0 else LOOK_SECONDS)
        for descriptor, _ in self.poller.poll(wait):
            if descriptor == self.wake:
                os.read(self.wake, 4096)
            else:
                self.pump(descriptor)
        if self.stop_asked:
            self.stop_asked = False
            self.begin_stop()
        if self.kill_at is not None and time.monotonic() >= self.kill_at:
            self.signal_group(signal.SIGKILL)

    def pump(self, descriptor: int) -> bool:
        """Copy what is there. True while there may be more."""
        stream = self.streams[descriptor]
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return False
        if data:
            self.log.write(stream.feed(data))
            return True
        self.log.write(stream.end())
        self.poller.unregister(descriptor)
        os.close(descriptor)
        del self.streams[descriptor]
        return False

    def begin_stop(self) -> None:
        """May come again with a shorter grace."""
        try:
            with open(os.path.join(self.directory, "stop")) as asked:
                grace = float(asked.read())
        except (OSError, ValueError):
            grace = DEFAULT_GRACE_SECONDS
        at = time.monotonic() + grace
        if self.kill_at is None:
            self.kill_at = at
            self.signal_group(self.order["stop_signal"])
        self.kill_at = min(self.kill_at, at)

    def signal_group(self, number: int) -> None:
        # The leader is not reaped before the last signal, so its number cannot belong to anyone else.
        try:
            os.killpg(self.main, number)
        except (ProcessLookupError, PermissionError):
            return

    def main_is_gone(self) -> bool:
        """Reap what was adopted; look at the command's end without reaping it."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            pid, status = os.waitpid(self.main, os.WNOHANG)
            self.status = status if pid else None
            return pid != 0
        while True:
            ended = os.waitid(os.P_PID, self.main, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                return True
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return False
            if ended.si_pid != self.main:
                os.waitpid(ended.si_pid, 0)

    def leftovers(self) -> bool:
        me = os.getpid()
        return any(
            pid != self.main and state not in b"ZX" and (parent == me or group == self.main)
            for pid, state, parent, group in processes()
        )

    def kill_all(self) -> int:
        """Kill what the command left behind, reap everything. Returns the command's wait status."""
        self.signal_group(signal.SIGKILL)
        status = os.waitpid(self.main, 0)[1] if self.status is None else self.status
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline:
            try:
                pid = os.waitpid(-1, os.WNOHANG)[0]
            except ChildProcessError:
                break
            if pid == 0:
                self.kill_adopted()
                self.poller.poll(10)
                self.drain()
        return status

    def kill_adopted(self) -> None:
        me = os.getpid()
        for pid, _, parent, _ in processes():
            if parent == me:
                os.kill(pid, signal.SIGKILL)  # ours and not reaped: the number is safe

    def drain(self) -> None:
        """What is in the pipes still belongs to the log. NB: on other systems than Linux somebody may hold them."""
        for descriptor in list(self.streams):
            while self.pump(descriptor):
                pass

    def finish(self, how: dict[str, object]) -> None:
        for stream in self.streams.values():
            self.log.write(stream.end())
        record(self.directory, "exit", {**how, "finished_at": self.exited_ns or time.time_ns()})


def tell(word: str) -> None:
    """Answer the kubelet, which may be gone."""
    try:
        os.write(1, word.encode("utf-8", "surrogateescape"))
    except BrokenPipeError:
        os.write(2, b"nobody waits for the answer\n")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)


def main() -> None:
    os.set_inheritable(LOCK, False)
    order = marshal.loads(sys.stdin.buffer.read())  # noqa: S302 written by the kubelet that started us
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    Shim(sys.argv[1], order).run()


if __name__ == "__main__":
    main()
