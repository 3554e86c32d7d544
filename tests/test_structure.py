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
REAL_EDGES = {"__main__.py", "screen.py"}
CORE = ("message.py", "router.py", "machine.py", "inbox.py", "loop.py", "query.py")
PARALLEL = {"threading", "asyncio", "multiprocessing", "concurrent", "subprocess", "_thread"}
# The flags and the exact same workload are needed to run; the rest only once the run is over.
EDGES_MAY = {"sim.workload", "sim.flags", "sim.command", "sim.files"}
EDGES_MAY_AFTERWARDS = {"sim.trajectory", "sim.units"}


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
    *("checks", "size", "values"),
)


@pytest.mark.parametrize("name", STDLIB_ONLY)
def test_the_workload_needs_the_standard_library_only(name: str) -> None:
    needed = {root_of(module) for module, _ in imports(ROOT / "sim" / f"{name}.py")}
    assert needed <= sys.stdlib_module_names | {"sim"}


@pytest.mark.parametrize("path", files("real"), ids=lambda path: path.name)
def test_real_needs_the_standard_library_only_and_starts_nothing(path: Path) -> None:
    for module, at_top in imports(path):
        if path.name in REAL_EDGES and root_of(module) == "sim":
            assert module in (EDGES_MAY | {"sim.units"} if at_top else EDGES_MAY_AFTERWARDS)
        else:
            assert root_of(module) in sys.stdlib_module_names | {"real"}, module
            assert root_of(module) not in PARALLEL


@pytest.mark.parametrize("path", files("compare"), ids=lambda path: path.name)
def test_compare_takes_nothing_of_the_processor_but_its_description_of_the_machine(path: Path) -> None:
    assert {module for module, _ in imports(path) if root_of(module) == "real"} <= {"real.environment"}


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


def test_only_the_clock_waits() -> None:
    may_wait = {"time", "select", "selectors", "socket", "signal", "queue", "sched"}
    importing = {path.name for path in files("real") for module, _ in imports(path) if root_of(module) in may_wait}
    assert importing == {"clock.py", "environment.py"}  # the latter for the time that a process has had
    assert "sleep" not in (ROOT / "real" / "environment.py").read_text(encoding="utf-8")


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
