"""Runs one static x86-64 Linux program in Unicorn or in Icicle, and tells how long that took.

    bare-program.py unicorn|icicle [--file GUEST=HOST]... PROGRAM [ARGUMENT]...

The program is loaded as Linux would load it; what it asks of the kernel is answered here, as far as programs need it that
compute, read files and write. Only the time between the first instruction and the last one counts, with everything that the
emulator does in it: translation, and the calls of this script for system calls.

Prints one line of JSON: `engine`, `version`, `seconds`, `status` (of the program's exit), `output` (what it wrote, as base64), and
`instructions` where the emulator counts them. Exit status 1, and a reason on standard error, when the program could not be run to its end.
"""

import base64
import json
import struct
import sys
import time

# Rights of memory, as the emulators number them.
READ, WRITE, EXECUTE = 1, 2, 4
PAGE = 4096
STACK_TOP = 0x7FFF_F000_0000
STACK_SIZE = 1 << 20
HEAP_SIZE = 64 << 20
MAPPINGS = 0x7000_0000_0000


class Failure(Exception):
    pass


def down(address):
    return address & ~(PAGE - 1)


def up(address):
    return (address + PAGE - 1) & ~(PAGE - 1)


class UnicornEmulator:
    """Unicorn: memory and registers by their names, and a call for each SYSCALL."""

    def __init__(self):
        import unicorn
        from unicorn import x86_const

        self.version = unicorn.__version__
        self._machine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self._registers = x86_const
        self._hook = (unicorn.UC_HOOK_INSN, x86_const.UC_X86_INS_SYSCALL)
        self._error = None

    def map(self, address, size, rights=READ | WRITE):
        # Without the right to execute where nothing is executed: stores to memory that may hold code are several times slower.
        self._machine.mem_map(address, size, rights)

    def read(self, address, size):
        return bytes(self._machine.mem_read(address, size))

    def write(self, address, data):
        self._machine.mem_write(address, bytes(data))

    def get(self, register):
        return self._machine.reg_read(self._number(register))

    def set(self, register, value):
        self._machine.reg_write(self._number(register), value)

    def set_thread_pointer(self, address):
        self.set("fs_base", address)

    def _number(self, register):
        return getattr(self._registers, "UC_X86_REG_" + register.upper())

    def run(self, entry, system_call):
        """Runs until `system_call` returns False."""

        def called(machine, _):
            # An exception would be lost on its way through the emulator.
            try:
                goes_on = system_call()
            except Exception as error:
                self._error = error
                goes_on = False
            if not goes_on:
                machine.emu_stop()

        kind, instruction = self._hook
        self._machine.hook_add(kind, called, None, 1, 0, instruction)
        self._machine.emu_start(entry, 0)
        if self._error:
            raise self._error

    instructions = None


class IcicleEmulator:
    """Icicle: comes back at each SYSCALL, with the program counter still at the instruction."""

    def __init__(self):
        import icicle
        from importlib import metadata

        self.version = metadata.version("icicle-emu")
        self._icicle = icicle
        self._machine = icicle.Icicle("x86_64")

    def map(self, address, size, rights=READ | WRITE):
        kinds = self._icicle.MemoryProtection
        names = {
            READ: kinds.ReadOnly,
            READ | WRITE: kinds.ReadWrite,
            READ | EXECUTE: kinds.ExecuteRead,
            READ | WRITE | EXECUTE: kinds.ExecuteReadWrite,
        }
        self._machine.mem_map(address, size, names[rights | READ])

    def read(self, address, size):
        return bytes(self._machine.mem_read(address, size))

    def write(self, address, data):
        self._machine.mem_write(address, bytes(data))

    def get(self, register):
        return self._machine.reg_read(register)

    def set(self, register, value):
        self._machine.reg_write(register, value)

    def set_thread_pointer(self, address):
        self.set("FS_OFFSET", address)

    def run(self, entry, system_call):
        """Runs until `system_call` returns False."""
        self._machine.pc = entry
        while True:
            status = self._machine.run()
            code = self._machine.exception_code
            if status != self._icicle.RunStatus.UnhandledException or code != self._icicle.ExceptionCode.Syscall:
                raise Failure(
                    f"Icicle stopped at {self._machine.pc:#x}: {status}, {code}, {self._machine.exception_value:#x}"
                )
            # SYSCALL has two bytes.
            self._machine.pc += 2
            if not system_call():
                return

    @property
    def instructions(self):
        return self._machine.icount


class Kernel:
    """What a program asks of Linux (arch/x86/entry/syscalls/syscall_64.tbl). Numbers of errors as in errno(3)."""

    def __init__(self, emulator, files):
        self.emulator = emulator
        self.files = files
        self.output = bytearray()
        self.status = None
        self.heap = self.heap_end = 0
        self.next_mapping = MAPPINGS
        # Contents and positions of open files by descriptor.
        self.open_files = {0: [b"", 0]}
        self.next_descriptor = 3

    def call(self):
        """Answers the call that the registers describe; False when the program has ended."""
        get = self.emulator.get
        number = get("rax")
        arguments = [get(name) for name in ("rdi", "rsi", "rdx", "r10", "r8", "r9")]
        if number in (60, 231):
            self.status = arguments[0] & 0xFF
            return False
        answer = self.CALLS.get(number)
        if answer is None:
            raise Failure(f"the program makes the system call {number}, which is not answered here")
        result = answer(self, *arguments)
        self.emulator.set("rax", result & (1 << 64) - 1)
        return True

    def read(self, descriptor, address, count, *_):
        file = self.open_files.get(descriptor)
        if file is None:
            return -9
        part = file[0][file[1] : file[1] + count]
        file[1] += len(part)
        if part:
            self.emulator.write(address, part)
        return len(part)

    def write(self, _, address, count, *__):
        self.output += self.emulator.read(address, count)
        return count

    def write_vector(self, descriptor, vector, count, *_):
        total = 0
        for index in range(count):
            address, size = struct.unpack("<QQ", self.emulator.read(vector + 16 * index, 16))
            total += self.write(descriptor, address, size)
        return total

    def text(self, address):
        bytes_read = bytearray()
        while not bytes_read.endswith(b"\0"):
            bytes_read += self.emulator.read(address + len(bytes_read), 1)
        return bytes_read[:-1].decode()

    def open_at(self, _, path, *__):
        contents = self.files.get(self.text(path))
        if contents is None:
            return -2
        self.open_files[self.next_descriptor] = [contents, 0]
        self.next_descriptor += 1
        return self.next_descriptor - 1

    def open(self, path, *_):
        return self.open_at(0, path)

    def close(self, descriptor, *_):
        self.open_files.pop(descriptor, None)
        return 0

    def status_of(self, descriptor, address, *_):
        file = self.open_files.get(descriptor)
        # struct stat: st_mode at 24, st_size at 48, st_blksize at 56; a regular file, or a pipe for standard output.
        status = bytearray(144)
        struct.pack_into("<I", status, 24, 0o100644 if file else 0o010600)
        struct.pack_into("<QQ", status, 48, len(file[0]) if file else 0, PAGE)
        self.emulator.write(address, status)
        return 0

    def status_at(self, _, path, address, flags, *__):
        name = self.text(path)
        contents = self.files.get(name)
        if contents is None:
            return -2
        self.open_files[-1] = [contents, 0]
        self.status_of(-1, address)
        return self.close(-1)

    def status_of_path(self, path, address, *_):
        return self.status_at(0, path, address, 0)

    def seek(self, descriptor, offset, origin, *_):
        file = self.open_files.get(descriptor)
        if file is None:
            return -29
        file[1] = offset + (0, file[1], len(file[0]))[origin]
        return file[1]

    def set_break(self, address, *_):
        if self.heap <= address <= self.heap + HEAP_SIZE:
            self.heap_end = address
        return self.heap_end

    def map_memory(self, _, size, *__):
        address = self.next_mapping
        self.next_mapping += up(size) + PAGE
        self.emulator.map(address, up(size))
        return address

    def remap(self, address, size, new_size, flags, *_):
        if new_size <= size:
            return address
        # MREMAP_MAYMOVE
        if not flags & 1:
            return -12
        moved = self.map_memory(0, new_size)
        self.emulator.write(moved, self.emulator.read(address, size))
        return moved

    def control_thread(self, code, address, *_):
        if code != 0x1002:  # ARCH_SET_FS
            return -22
        self.emulator.set_thread_pointer(address)
        return 0

    def duplicate(self, descriptor, target, *_):
        if descriptor not in self.open_files:
            return -9
        self.open_files[target] = self.open_files[descriptor]
        return target

    def machine(self, address, *_):
        # struct sysinfo: totalram at 32, freeram at 40, mem_unit at 104.
        information = bytearray(112)
        struct.pack_into("<QQ", information, 32, 1 << 29, 1 << 28)
        struct.pack_into("<I", information, 104, 1)
        self.emulator.write(address, information)
        return 0

    def time(self, _, address, *__):
        # It is always 1970.
        self.emulator.write(address, bytes(16))
        return 0

    def nothing(self, *_):
        return 0

    def refuse(self, *_):
        return -38

    def no_terminal(self, *_):
        return -25

    def identity(self, *_):
        return 0

    CALLS = {
        0: read, 1: write, 2: open, 3: close, 4: status_of_path, 5: status_of, 6: status_of_path, 8: seek, 9: map_memory,
        10: nothing, 11: nothing, 12: set_break, 13: nothing, 14: nothing, 16: no_terminal, 20: write_vector, 25: remap,
        28: nothing, 33: duplicate, 72: nothing, 89: refuse, 99: machine, 102: identity, 104: identity, 107: identity, 108: identity, 157: nothing,
        158: control_thread, 186: identity, 218: identity, 221: nothing, 228: time, 257: open_at, 262: status_at, 267: refuse,
        273: nothing, 302: refuse, 318: refuse, 334: refuse,
    }  # fmt: skip


def load(emulator, kernel, path, arguments):
    """Puts the program into memory as execve(2) does; returns its entry point."""
    with open(path, "rb") as file:
        elf = file.read()
    if elf[:5] != b"\x7fELF\x02":
        raise Failure(f"{path} is no 64-bit ELF program")
    # ELF-64 object file format: the header, then program headers of 56 bytes.
    kind, _, _, entry, headers = struct.unpack_from("<HHIQQ", elf, 16)
    (count,) = struct.unpack_from("<H", elf, 56)
    segments = [struct.unpack_from("<IIQQQQQQ", elf, headers + 56 * index) for index in range(count)]
    if kind != 2 or any(segment[0] == 3 for segment in segments):
        raise Failure(f"{path} is no static program with fixed addresses")
    loaded = [segment for segment in segments if segment[0] == 1]
    # A page of two segments has the rights of both. p_flags: 1 executable, 2 writable, 4 readable.
    rights = {}
    for _, flags, _, address, _, _, size, _ in loaded:
        for page in range(down(address), up(address + size), PAGE):
            rights[page] = rights.get(page, READ) | (WRITE if flags & 2 else 0) | (EXECUTE if flags & 1 else 0)
    pages = sorted(rights)
    first = pages[0]
    for page, following in zip(pages, pages[1:] + [None]):
        if following != page + PAGE or rights[following] != rights[first]:
            emulator.map(first, page + PAGE - first, rights[first])
            first = following
    end = pages[-1] + PAGE
    for _, _, offset, address, _, size, _, _ in loaded:
        emulator.write(address, elf[offset : offset + size])
    kernel.heap = kernel.heap_end = end + PAGE
    emulator.map(kernel.heap, HEAP_SIZE)
    emulator.map(STACK_TOP - STACK_SIZE, STACK_SIZE)

    # The strings at the top of the stack; below them argc, argv, envp and the auxiliary vector.
    position = STACK_TOP - 64
    emulator.write(position, b"0123456789abcdef")
    random = position
    pointers = []
    for argument in arguments:
        text = argument.encode() + b"\0"
        position -= len(text)
        emulator.write(position, text)
        pointers.append(position)
    # AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_ENTRY, AT_UID, AT_EUID, AT_GID, AT_EGID, AT_SECURE, AT_RANDOM, AT_NULL
    header_address = loaded[0][3] - loaded[0][2] + headers
    vector = [(3, header_address), (4, 56), (5, count), (6, PAGE), (9, entry)]
    vector += [(11, 0), (12, 0), (13, 0), (14, 0), (23, 0), (25, random), (0, 0)]
    words = [len(pointers), *pointers, 0, 0] + [word for pair in vector for word in pair]
    position = (position & ~15) - (len(words) + 1 & ~1) * 8
    emulator.write(position, struct.pack(f"<{len(words)}Q", *words))
    emulator.set("rsp", position)
    return entry


def main(words):
    engines = {"unicorn": UnicornEmulator, "icicle": IcicleEmulator}
    if len(words) < 2 or words[0] not in engines:
        raise Failure("usage: bare-program.py unicorn|icicle [--file GUEST=HOST]... PROGRAM [ARGUMENT]...")
    name, words = words[0], words[1:]
    files = {}
    while words[0] == "--file":
        guest, host = words[1].split("=", 1)
        with open(host, "rb") as file:
            files[guest] = file.read()
        words = words[2:]
    emulator = engines[name]()
    kernel = Kernel(emulator, files)
    entry = load(emulator, kernel, words[0], words)
    start = time.perf_counter()
    emulator.run(entry, kernel.call)
    seconds = time.perf_counter() - start
    report = {
        "engine": name,
        "version": emulator.version,
        "seconds": seconds,
        "status": kernel.status,
        "output": base64.b64encode(kernel.output).decode(),
        "instructions": emulator.instructions,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
