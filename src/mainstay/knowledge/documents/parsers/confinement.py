"""What a child gives up before it reads a stranger's file: memory, files, the network, other programs."""

import ctypes
import errno
import platform
import resource
import struct
import sys
from dataclasses import dataclass

# From <linux/prctl.h>, <linux/seccomp.h>, <linux/audit.h> and the system call tables.
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
# Machine: (audit architecture, socket, execve, execveat, ptrace, process_vm_readv, process_vm_writev, io_uring_setup).
_CALLS: dict[str, tuple[int, ...]] = {
    "x86_64": (0xC000003E, 41, 59, 322, 101, 310, 311, 425),
    "aarch64": (0xC00000B7, 198, 221, 281, 117, 270, 271, 425),
}
# System calls of the 32-bit view of x86-64 carry this bit and would pass a list of numbers.
_X32_BIT = 0x40000000


@dataclass(frozen=True, slots=True)
class Confinement:
    """The limits of a child process; `cpu_s` counts for each file anew."""

    address_space_bytes: int
    cpu_s: int
    temp_file_bytes: int
    open_files: int = 64


def confine(limits: Confinement) -> bool:
    """Give everything up that a parse does not need; return whether the network is out of reach."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.temp_file_bytes, limits.temp_file_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    if sys.platform == "linux":
        # macOS knows this limit and does not enforce it; there the parent's watch over RSS is all.
        resource.setrlimit(resource.RLIMIT_AS, (limits.address_space_bytes, limits.address_space_bytes))
        return _filter_system_calls() or _leave_network()
    return False


def allow_cpu(seconds: int) -> None:
    """Let the process use `seconds` of processor time from now on; past that the kernel ends it with SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _filter_system_calls() -> bool:
    """Refuse new sockets and programs through seccomp, which needs no privilege; say whether the kernel agreed."""
    known = _CALLS.get(platform.machine())
    if known is None:
        return False
    architecture, *refused = known
    # Each step: code, steps to skip if true, steps to skip if false, operand. The last two steps return.
    steps = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 0, len(refused) + 3, architecture),
        (_LOAD, 0, 0, 0),
        (_JUMP_AT_LEAST, len(refused) + 1, 0, _X32_BIT),
        *((_JUMP_EQUAL, len(refused) - i, 0, number) for i, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    described = struct.pack("HL" if struct.calcsize("P") == 4 else "HxxxxxxQ", len(steps), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(described), 0, 0) == 0


def _leave_network() -> bool:
    """Move into a network of nobody's, where the kernel has no seccomp; say whether it worked."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.unshare(_CLONE_NEWNET) == 0 or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
