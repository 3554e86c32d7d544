"""A session: experiments one after the other, calibrated before and after; what is finished stays finished."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from compare.bench import Bench, planned_s
from compare.case import Case
from compare.experiment import Experiment, Options
from compare.inject import Injection
from compare.machine.canary import Canary
from compare.metric import MEAN, P99
from compare.progress import Watch
from compare.report import write_report
from compare.run import FILE, Entry, cases_of, drawn_again, repredicted, run_experiment, write_points
from compare.screen import calibration_lines, show_verdict
from compare.store import read_runs
from compare.verdict import DIFFERS, WORDS, Point, drifted
from real.environment import environment
from sim.command import UsageError
from sim.files import json_text, write_text

SUMMARY, UNFINISHED = "summary.json", ".unfinished.json"
QUIET_UTILIZATION = 0.9  # up to which path errors are summed up
PACKAGES = ("simpy", "numpy", "scipy", "numba", "matplotlib", "jinja2")


@dataclass(frozen=True, slots=True)
class Session:
    """Which experiments, under which options, and where their files go."""

    experiments: dict[str, Experiment]
    options: Options
    injection: Injection
    command: str
    out: Path
    resumed: bool = False

    @property
    def _asked(self) -> dict[str, Any]:
        """What has to be the same for a session to go on."""
        return {
            "experiments": list(self.experiments),
            "options": asdict(self.options),
            "inject": self.injection.described,
        }

    def run(self, console: Console) -> Entry:
        """Run what is not finished yet; return the summary, which is written whatever ends it."""
        done = self._finished() if self.resumed else {}
        left = {name: module for name, module in self.experiments.items() if name not in done}
        cases = cases_of(left, self.options)
        quick, seed = self.options.quick, self.options.seed
        self.out.mkdir(parents=True, exist_ok=True)
        with Watch(console, planned_s(cases, quick=quick, seed=seed)) as watch, Canary() as canary:
            bench = Bench(canary, watch, self.injection, quick=quick, seed=seed)
            try:
                self._run(left, cases, bench, done)
            except BaseException as error:
                if done:  # whatever has ended it: what is finished is kept
                    self._write(done, bench.documents())
                if isinstance(error, KeyboardInterrupt):
                    raise KeyboardInterrupt(self._kept(done)) from None
                raise
        summary = self._write(done, bench.documents())
        (self.out / UNFINISHED).unlink(missing_ok=True)
        show_verdict(console, summary, self.out)
        return summary

    def _run(self, left: dict[str, Experiment], cases: Sequence[Case], bench: Bench, done: dict[str, Entry]) -> None:
        """Calibrate, run what is left, and calibrate once more; `done` gets each entry as it is finished."""
        bench.prepare(cases)
        for line in calibration_lines(bench):
            bench.watch.console.print(line)
        for name, module in left.items():
            bench.renew(module.cases(self.options))
            done[name] = run_experiment(name, module, self.options, bench, self.out)
            self._note(list(done))
        bench.calibrate_again()
        for name, module in left.items():
            done[name] = self._after_drift(name, module, done[name], bench)

    def _kept(self, done: dict[str, Entry]) -> str:
        if not done:
            return "interrupted; nothing half-written is left"
        many = f"{len(done)} of {len(self.experiments)} experiments are finished and kept in {self.out}"
        return f"interrupted; {many}; go on with --resume"

    def _after_drift(self, name: str, module: Experiment, entry: Entry, bench: Bench) -> Entry:
        """Judge what DIFFERS once more, by the calibration made at the end; where nothing does, there is no need to."""
        if not any(point["word"] == DIFFERS for point in entry["points"]):
            return entry
        found = read_runs(self.out / name)
        runs = [repredicted(run, bench) for run in found]
        again = {(point.label, point.metric): point for point in module.judge_points(runs)}
        holds = {run.label: run.prediction.hold_s for run in found}
        later = {run.label: run.prediction.hold_s for run in runs}
        points = [Point.of_document(point) for point in entry["points"]]
        judged = [
            drifted(point, again[point.label, point.metric], holds[point.label], later[point.label])
            if point.label in holds and (point.label, point.metric) in again
            else point
            for point in points
        ]
        if judged == points:
            return entry
        answered = module.answer(found, judged)
        entry = entry | {"points": [point.document() for point in judged], "answer": answered}
        write_points(self.out / name, entry)
        return entry

    # -- going on where a session was interrupted ----------------------------------------------------------------

    def _note(self, done: Sequence[str]) -> None:
        write_text(self.out / UNFINISHED, json_text(self._asked | {"done": list(done)}))

    def _finished(self) -> dict[str, Entry]:
        """Return the entries that an interrupted session has left; UsageError where there is none to go on with."""
        path = self.out / UNFINISHED
        try:
            left = json.loads(path.read_text(encoding="utf-8"))
            done = {name: json.loads((self.out / name / FILE).read_text(encoding="utf-8")) for name in left["done"]}
        except FileNotFoundError:
            raise UsageError(f"--resume: no comparison was interrupted in {self.out}; leave it out") from None
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"--resume: {path} cannot be read ({error}); leave it out") from None
        if {name: left.get(name) for name in self._asked} != json.loads(json_text(self._asked)):
            raise UsageError("--resume: another comparison was interrupted, with other flags; give the same, or none")
        return done

    # -- the summary ---------------------------------------------------------------------------------------------

    def _write(self, done: dict[str, Entry], calibrations: list[dict[str, Any]]) -> Entry:
        entries = [done[name] for name in self.experiments if name in done]
        summary = {
            "schema_version": 1,
            "command": self.command,
            "environment": environment() | {"packages": {name: version(name) for name in PACKAGES}},
            "options": asdict(self.options),
            "inject": self.injection.described,
            "unfinished": [name for name in self.experiments if name not in done],
            "calibration": calibrations[0] if calibrations else None,
            "calibrations": calibrations,
            "experiments": entries,
            "verdict": counted(entries),
            "accuracy": accuracy(entries),
        }
        write_summary(self.out, summary)
        return summary


def write_summary(out: Path, summary: Entry) -> None:
    """Write the summary, and the report made of it."""
    write_text(out / SUMMARY, json_text(summary))
    write_report(out, summary)


def counted(entries: Sequence[Entry]) -> dict[str, int]:
    """Return how often each word was the verdict."""
    words = [point["word"] for entry in entries for point in entry["points"]]
    return {word.lower(): words.count(word) for word in WORDS}


def accuracy(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return by kind of work the median path error of mean and p99, up to a utilization of 0.9, and the correlations.

    Of all runs, whatever their verdict; a run's correlation is between its messages' predicted and measured latencies.
    """
    points = [
        (entry["name"], point)
        for entry in entries
        for point in entry["points"]
        if point["utilization"] is not None and point["utilization"] <= QUIET_UTILIZATION
    ]
    found: dict[str, Any] = {}
    for work in sorted({point["work"] for _, point in points}):
        errors = {
            metric.name.rpartition(".")[2]: [
                abs(point["path_error"])
                for _, point in points
                if point["work"] == work and point["metric"] == metric.name
            ]
            for metric in (MEAN, P99)
        }
        judged = {(name, point["label"]) for name, point in points if point["work"] == work}
        alike = [
            pairing["correlation"]
            for entry in entries
            for pairing in entry["pairing"]
            if (entry["name"], pairing["label"]) in judged and pairing["correlation"] is not None
        ]
        found[work] = {name: median(values) if values else None for name, values in errors.items()} | {
            "runs": len(judged),
            "correlation": median(alike) if alike else None,
        }
    return found


def report_again(out: Path, load: Callable[[str], Experiment]) -> Entry:
    """Draw figures and report again from the files of a finished or an interrupted session, measuring nothing."""
    try:
        summary: Entry = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{out / SUMMARY}: not there; run python -m compare all first, or give --out") from None
    except ValueError as error:
        raise UsageError(f"{out / SUMMARY}: {error}; measure again, or give --out") from None
    try:
        named = [(entry["name"], load(entry["name"]), entry) for entry in summary["experiments"]]
    except (KeyError, TypeError):
        raise UsageError(f"{out / SUMMARY}: is no summary of a comparison; measure again, or give --out") from None
    entries = [drawn_again(out / name, name, experiment, entry) for name, experiment, entry in named]
    summary |= {"experiments": entries, "verdict": counted(entries), "accuracy": accuracy(entries)}
    write_summary(out, summary)
    return summary
