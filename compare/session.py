"""A session: experiments one after the other, calibrated before and after; what is finished stays finished."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from compare.bench import Bench, planned_s
from compare.calibrate import Calibration
from compare.experiment import Experiment, Options
from compare.inject import Injection
from compare.machine.awake import Awake
from compare.machine.canary import Canary
from compare.progress import Watch
from compare.run import FILE, Entry, cases_of, repredicted, run_experiment, write_points
from compare.screen import calibration_lines, show_plan, show_verdict
from compare.store import kept_calibration, read_calibration, read_runs
from compare.summary import beside, over_all, write_summary
from compare.verdict import DIFFERS, Point, drifted
from real.environment import environment
from sim.command import UsageError
from sim.files import json_text, write_text

UNFINISHED = ".unfinished.json"
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
    keep_awake: bool = True

    @property
    def _asked(self) -> dict[str, Any]:
        """What has to be the same for a session to go on."""
        return {
            "experiments": list(self.experiments),
            "options": asdict(self.options),
            "inject": self.injection.described,
            "keep_awake": self.keep_awake,
        }

    def run(self, console: Console) -> Entry:
        """Run what is not finished yet; return the summary, which is written whatever ends it."""
        done, calibrated = self._finished() if self.resumed else ({}, [])
        left = {name: module for name, module in self.experiments.items() if name not in done}
        cases = cases_of(left, self.options)
        quick, seed = self.options.quick, self.options.seed
        self.out.mkdir(parents=True, exist_ok=True)
        takes_s = planned_s(cases, quick=quick, seed=seed)
        show_plan(console, list(left), cases, takes_s, self.out, finished=len(done))
        awake = Awake.here() if self.keep_awake else Awake("--no-keep-awake")
        with Watch(console, takes_s) as watch, Canary() as canary, awake:
            if self.keep_awake and awake.why_not:
                console.print(f"Note    processors may fall asleep and be woken late: {awake.why_not}", style="yellow")
            bench = Bench(canary, awake, watch, self.injection, quick=quick, seed=seed)
            bench.keep(calibrated)
            try:
                self._run(left, bench, done)
            except BaseException as error:
                if done:  # whatever has ended it: what is finished is kept
                    self._write(done, bench)
                if isinstance(error, KeyboardInterrupt):
                    raise KeyboardInterrupt(self._kept(done)) from None
                raise
        summary = self._write(done, bench)
        (self.out / UNFINISHED).unlink(missing_ok=True)
        show_verdict(console, summary, self.out)
        return summary

    def _run(self, left: dict[str, Experiment], bench: Bench, done: dict[str, Entry]) -> None:
        """Calibrate, run what is left, and calibrate once more; `done` gets each entry as it is finished."""
        earlier = {name: module for name, module in self.experiments.items() if name in done}
        bench.allow(cases_of(left, self.options))
        for name, module in left.items():
            # Just before it is needed: a calibration tells of the machine as it was then.
            for line in calibration_lines(bench.prepare(module.cases(self.options))):
                bench.watch.console.print(line)
            done[name] = run_experiment(name, module, self.options, bench, self.out)
            self._note(list(done), bench)
        # What an earlier part has finished is judged once more too, if the machine is another one by now.
        bench.prepare(cases_of(earlier, self.options))
        bench.calibrate_again()
        for name, module in self.experiments.items():
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
        another = {run.label for run in found if bench.drifted(run.case.calibration, since_s=run.measurement.began_s)}
        if not another:
            return entry
        runs = [repredicted(run, bench) for run in found]
        again = {(point.label, point.metric): point for point in module.judge_points(runs)}
        holds = {run.label: run.prediction.hold_s for run in found}
        later = {run.label: run.prediction.hold_s for run in runs}
        points = [Point.of_document(point) for point in entry["points"]]
        judged = [
            drifted(point, again[point.label, point.metric], holds[point.label], later[point.label])
            if point.label in another and (point.label, point.metric) in again
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

    def _note(self, done: Sequence[str], bench: Bench) -> None:
        made = [kept_calibration(one) for every in bench.made.values() for one in every]
        write_text(self.out / UNFINISHED, json_text(self._asked | {"done": list(done), "calibrations": made}))

    def _finished(self) -> tuple[dict[str, Entry], list[Calibration]]:
        """Return the entries and the calibrations that an interrupted session has left.

        UsageError where there is none to go on with.
        """
        path = self.out / UNFINISHED
        try:
            left = json.loads(path.read_text(encoding="utf-8"))
            done = {name: json.loads((self.out / name / FILE).read_text(encoding="utf-8")) for name in left["done"]}
            calibrated = [read_calibration(one) for one in left["calibrations"]]
        except FileNotFoundError:
            raise UsageError(f"--resume: no comparison was interrupted in {self.out}; leave it out") from None
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"--resume: {path} cannot be read ({error}); leave it out") from None
        if {name: left.get(name) for name in self._asked} != json.loads(json_text(self._asked)):
            raise UsageError("--resume: another comparison was interrupted, with other flags; give the same, or none")
        return done, calibrated

    # -- the summary ---------------------------------------------------------------------------------------------

    def _write(self, done: dict[str, Entry], bench: Bench) -> Entry:
        command = self.command.replace(" --resume", "")  # which measures all of it
        own = [done[name] | {"command": command} for name in self.experiments if name in done]
        calibrations, awake = bench.documents(), bench.awake.document()
        others, earlier = beside(self.out, self.experiments, self.injection.described, calibrations, awake)
        entries, calibrations = [*own, *others], [*calibrations, *earlier]
        summary = {
            "schema_version": 1,
            "command": command,
            "environment": environment() | {"packages": {name: version(name) for name in PACKAGES}},
            "awake": awake,
            "options": asdict(self.options),
            "inject": self.injection.described,
            "unfinished": [name for name in self.experiments if name not in done],
            "calibration": calibrations[0] if calibrations else None,
            "calibrations": calibrations,
            "experiments": entries,
            **over_all(entries),
        }
        write_summary(self.out, summary)
        return summary
