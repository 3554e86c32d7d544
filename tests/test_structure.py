"""The house rules: who may import whom, how large the core is, and that one thread runs it."""

import ast
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("sim", "real", "compare")
REAL = ROOT / "real"
EDGES = ("__main__.py", "command/", "send/")
AFTERWARDS = ("command/report.py", "command/screen.py")  # loaded once the run is over
INSTRUMENT = "ask/"  # no part of the processor
CORE = ("message.py", "router.py", "machine.py", "inbox.py", "loop.py", "query.py")
PARALLEL = {"threading", "asyncio", "multiprocessing", "concurrent", "subprocess", "_thread"}
# The flags and the exact same workload are needed to run, and all of these need the standard library only; what counts
# and draws only once the run is over.
EDGES_MAY = {"sim.workload", "sim.flags", "sim.command", "sim.files", "sim.values", "sim.units"}
AFTERWARDS_MAY = {"sim.trajectory", "sim.summary", "numpy", "numpy.typing"}


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield (module, at the top) of every import in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
        for name in names:
            yield name, id(node) in top


def root_of(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("path", files("sim"), ids=lambda path: path.name)
def test_sim_imports_neither_real_nor_compare(path: Path) -> None:
    assert not {root_of(module) for module, _ in imports(path)} & {"real", "compare"}


STDLIB_ONLY = (
    *("workload", "flags", "command", "files", "arrivals", "service", "population", "recording", "streams"),
    *("checks", "size", "values", "units"),
)


@pytest.mark.parametrize("name", STDLIB_ONLY)
def test_the_workload_needs_the_standard_library_only(name: str) -> None:
    needed = {root_of(module) for module, _ in imports(ROOT / "sim" / f"{name}.py")}
    assert needed <= sys.stdlib_module_names | {"sim"}


def place(path: Path) -> str:
    """Where in real/ a file is."""
    return path.relative_to(REAL).as_posix()


def processor() -> list[Path]:
    """The files of the processor, and those at its edges."""
    return [path for path in files("real") if not place(path).startswith(INSTRUMENT)]


def inside() -> list[Path]:
    """The files of the processor itself."""
    return [path for path in processor() if not place(path).startswith(EDGES)]


@pytest.mark.parametrize("path", processor(), ids=place)
def test_real_needs_the_standard_library_only_and_starts_nothing(path: Path) -> None:
    may = {"real"} if path in inside() else {"real"} | EDGES_MAY
    for module, _ in imports(path):
        allowed = may | (AFTERWARDS_MAY if place(path) in AFTERWARDS else set())
        assert {root_of(module), module} & (allowed | sys.stdlib_module_names), module
        assert root_of(module) not in PARALLEL
        assert not module.startswith("real.ask"), "the instrument is no part of the processor"


@pytest.mark.parametrize("path", inside(), ids=place)
def test_the_processor_knows_nothing_of_its_edges(path: Path) -> None:
    assert not [module for module, _ in imports(path) if module.startswith(("real.command", "real.send"))]


def loaded_with(path: Path, seen: set[Path]) -> set[str]:
    """Every module that is loaded when a file of the lab is, as far as it is imported at the top."""
    seen.add(path)
    loaded = {module for module, at_top in imports(path) if at_top}
    for module in sorted(loaded):
        parts = ROOT.joinpath(*module.split("."))
        for file in (parts.with_suffix(".py"), parts / "__init__.py"):
            if file.exists() and file not in seen:
                loaded |= loaded_with(file, seen)
    return loaded


@pytest.mark.parametrize("name", ["__main__.py", "command/measuring.py", "send/__main__.py"])
def test_nothing_that_would_start_threads_is_loaded_before_the_run(name: str) -> None:
    assert {root_of(module) for module in loaded_with(REAL / name, set())} <= sys.stdlib_module_names | {"real", "sim"}
    assert "numpy" in loaded_with(REAL / "command" / "report.py", set())  # it would be seen


# What threads would have done with the same messages can only be told of the very same work.
SAME_WORK = {"real.clock", "real.machine", "real.message", "real.work"}


@pytest.mark.parametrize("path", files("compare"), ids=lambda path: path.name)
def test_compare_takes_nothing_of_the_processor_but_its_description_of_the_machine(path: Path) -> None:
    may = {"real.environment"} | (SAME_WORK if path == ROOT / "compare" / "machine" / "threads.py" else set())
    assert {module for module, _ in imports(path) if root_of(module) == "real"} <= may


@pytest.mark.parametrize("path", [p for package in PACKAGES for p in files(package)], ids=str)
def test_matplotlib_is_loaded_where_something_is_drawn(path: Path) -> None:
    drawing = path in (ROOT / "sim" / "plot.py", ROOT / "sim" / "curves.py")  # which are only loaded to draw
    loads = {root_of(module) for module, at_top in imports(path) if at_top}
    assert drawing or "matplotlib" not in loads


def code_lines(source: str, path: Path) -> set[int]:
    """Line numbers that hold code: not blank, not a comment, not a docstring."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        line
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node) is not None
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    no_code = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    with path.open("rb") as file:
        lines = {
            line
            for token in tokenize.tokenize(file.readline)
            if token.type not in no_code | {tokenize.ENCODING}
            for line in range(token.start[0], token.end[0] + 1)
        }
    return lines - docstrings


def test_the_core_has_at_most_200_lines() -> None:
    count = 0
    for name in CORE:
        path = ROOT / "real" / name
        count += len(code_lines(path.read_text(encoding="utf-8"), path))
    source = ROOT / "real" / "source.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    stream = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "message_stream")
    within = range(stream.lineno, (stream.end_lineno or 0) + 1)
    count += len(code_lines(source.read_text(encoding="utf-8"), source) & set(within))
    assert 100 < count <= 200


@pytest.mark.parametrize("path", [p for package in PACKAGES for p in files(package)], ids=str)
def test_a_file_is_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


# By whatever name the module or the object is known: what these do is wait.
WAITING = {
    *("sleep", "pause", "sigwait", "sigwaitinfo", "sigtimedwait", "wait", "wait_for", "waitpid", "input"),
    *("accept", "create_connection", "makefile", "sendall", "sendfile", "recvmsg", "acquire", "communicate", "result"),
}
RECEIVING = {"recv", "recv_into", "recvfrom", "send"}
# The clock's own ways of letting time pass, and the accept that never waits, are in the files that may wait.
OUR_OWN = {("clock", "sleep"), ("_clock", "sleep"), ("_sockets", "accept")}


def waits(source: str) -> list[str]:
    """Return the calls in a file that could make its thread wait."""
    tree = ast.parse(source)
    ready = {
        id(call)
        for attempt in ast.walk(tree)
        if isinstance(attempt, ast.Try) and any(catches_blocking(handler) for handler in attempt.handlers)
        for statement in attempt.body
        for call in ast.walk(statement)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if may_wait(call, id(call) in ready)]


def catches_blocking(handler: ast.ExceptHandler) -> bool:
    """Whether somebody reckons with a socket that has nothing to say: of one that waits there is no such error."""
    return handler.type is not None and "BlockingIOError" in ast.unparse(handler.type)


def may_wait(call: ast.Call, reckons_with_nothing: bool) -> bool:
    """Whether a call could wait; by its name, and what it is told."""
    name = last_name(call.func)
    owner = last_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    told = [getattr(argument, "value", None) for argument in (*call.args, *(word.value for word in call.keywords))]
    if name == "select":
        return not told or told[-1] != 0 or isinstance(told[-1], bool)
    if name == "join":  # of a thread or a queue: with nothing, or for so long
        return not told or isinstance(told[0], int | float) or bool(call.keywords)
    if name in ("setblocking", "settimeout"):
        return told not in ([False], [0])
    if name == "flock":  # which waits for whoever has it, unless told not to
        return "LOCK_NB" not in ast.unparse(call)
    if name in RECEIVING:
        return not reckons_with_nothing and (name != "send" or "socket" in owner)
    return name in WAITING and (owner, name) not in OUR_OWN


def last_name(of: ast.expr) -> str:
    """The last name of a dotted one."""
    return of.attr if isinstance(of, ast.Attribute) else of.id if isinstance(of, ast.Name) else ""


MAY_WAIT = {"clock.py", "sockets.py"}
OWN_PROCESS = "send/"  # where waiting keeps no message


@pytest.mark.parametrize("path", [p for p in processor() if not place(p).startswith(OWN_PROCESS)], ids=place)
def test_only_the_clock_and_the_sockets_wait(path: Path) -> None:
    assert bool(waits(path.read_text(encoding="utf-8"))) == (place(path) in MAY_WAIT)


@pytest.mark.parametrize(
    "line",
    [
        *("time.sleep(0.1)", "sleep(1)", "self.selector.select()", "self.selector.select(1)", "select.select(a, b, c)"),
        *("select.select(a, b, c, left_s)", "self.selector.select(timeout=None)", "thread.join()", "thread.join(2)"),
        *("queue.join(timeout=2)", "event.wait()", "data = client.recv(10)", "listener.accept()", "lock.acquire()"),
        *(
            "fcntl.flock(file, fcntl.LOCK_EX)",
            "client.setblocking(True)",
            "client.settimeout(5)",
            "client.sendall(data)",
            "client.socket.send(data)",
        ),
        *("socket.create_connection(place)", "try:\n    client.recv(10)\nexcept OSError:\n    pass"),
    ],
)
def test_a_line_that_waits_would_be_found(line: str) -> None:
    assert waits(line)


@pytest.mark.parametrize(
    "line",
    [
        *("clock.sleep(5)", "self.clock.wait_until(at_ns)", "selector.select(0)", "select.select(a, b, c, 0)"),
        *(
            "fcntl.flock(file, LOCK_EX | LOCK_NB)",
            "', '.join(names)",
            "separator.join(names)",
            "client.setblocking(False)",
            "self._sockets.accept(listener)",
        ),
        *("try:\n    client.recv(10)\nexcept BlockingIOError:\n    pass", "generator.send(None)"),
    ],
)
def test_a_line_that_does_not_wait_is_let_be(line: str) -> None:
    assert not waits(line)


def test_the_top_level_is_what_it_should_be() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    if not listed:
        pytest.skip("not a git checkout")
    tracked = {line.partition("/")[0] for line in listed.splitlines()}
    assert {name for name in tracked if name.startswith(".")} == {".ci", ".gitignore", ".python-version"}
    assert {name for name in tracked if not name.startswith(".")} == {
        *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"),
        *("sim", "real", "compare", "tests", "results"),
    }
