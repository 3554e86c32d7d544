"""What an experiment leaves on disk, and how it is read again: a report measures nothing.

Every trajectory is a CSV, as predicted and as measured, and what clients recorded another; `runs.json` has the rest.
Calibrations are kept whole only for as long as a session is not finished.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compare.attribution import Attribution
from compare.calibrate import Calibration, wandering
from compare.case import Asking, Case
from compare.experiment import Run
from compare.explain.pairing import Pairing
from compare.machine.noise import of_document as noise_of_document
from compare.machine.tables import read_table, write_table
from compare.measure import Measurement
from compare.predict import Prediction
from compare.scene import Scene
from sim import Trajectory, Workload
from sim.bands import COLUMNS, HoldSamples
from sim.command import UsageError
from sim.engine import Rules
from sim.files import json_text, write_text
from sim.nominal import nominal
from sim.recording import NS

FILE = "runs.json"


class ResultsError(UsageError):
    """Results that are not, or not all, there; the message names the file."""


def write_runs(directory: Path, runs: Sequence[Run]) -> None:
    """Write all that was predicted and measured."""
    for run in runs:
        stem = stem_of(run.label)
        run.predicted.write_csv(directory / f"{stem}-predicted.csv")
        run.measured.write_csv(directory / f"{stem}-measured.csv")
        for name, table in run.measurement.tables.items():
            write_table(directory / f"{stem}-{name}.csv", table)
    write_text(directory / FILE, json_text({"schema_version": 1, "runs": [_document(run) for run in runs]}))


def read_runs(directory: Path) -> list[Run]:
    """Return what `write_runs` wrote, without what only judging needs; ResultsError names what is not there."""
    try:
        document = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return [_run(directory, run) for run in document["runs"]]
    except FileNotFoundError as error:
        raise ResultsError(f"{error.filename}: not there; measure first") from None
    except (KeyError, ValueError, TypeError, IndexError, StopIteration) as error:
        raise ResultsError(f"{directory / FILE}: {error}: no results of this version; measure again") from None


def kept_calibration(made: Calibration) -> dict[str, Any]:
    """Return a calibration with all its samples, as JSON has it."""
    names = ("work", "service_s", "stalled", "at_s", "pace_per_s", "computes_s")
    fields = {name: getattr(made, name) for name in names}
    samples = {name: getattr(made.samples, name).tolist() for name in COLUMNS}
    return fields | {"alike": made.samples.alike, "samples": samples}


def read_calibration(kept: dict[str, Any]) -> Calibration:
    """Return what `kept_calibration` kept; KeyError, TypeError or ValueError for anything else."""
    dispatch, processing, wakeup, woken = (np.asarray(kept["samples"][name], np.float64) for name in COLUMNS)
    samples = wandering(HoldSamples(dispatch, processing, wakeup, woken, kept["alike"]))
    computed = kept["pace_per_s"], kept["computes_s"]
    return Calibration(kept["work"], kept["service_s"], samples, kept["stalled"], kept["at_s"], *computed)


def stem_of(label: str) -> str:
    """Return a label as the beginning of a file's name.

    >>> stem_of("150/s, zipf:1.1")
    '150-per-s-zipf-1.1'
    """
    return re.sub(r"[^\w.]+", "-", label.replace("/s", "-per-s")).strip("-")


def _document(run: Run) -> dict[str, Any]:
    prediction, measurement = run.prediction, run.measurement
    return {
        "label": run.label,
        "workload": run.workload.describe(),
        "case": run.case.document(),
        "predicted": {
            "theory": prediction.theory.document(),
            "utilization": prediction.utilization,
            "hold_s": prediction.hold_s,
            "bands": prediction.bands,
            "metrics": run.predicted.metrics(run.case.servers),
        },
        "command": measurement.command,
        "began_monotonic_s": measurement.began_s,
        "real": measurement.document,
        "clients": measurement.clients,
        "tables": list(measurement.tables),
        "noise": measurement.noise.document(),
        "repeated": list(measurement.repeated),
        "attributions": [attribution.document() for attribution in run.attributions],
        "pairing": run.pairing and run.pairing.document(),
        "floor_s": run.floor_s,
        "answer_s": run.answer_s,
    }


def _run(directory: Path, document: dict[str, Any]) -> Run:
    stem = directory / stem_of(document["label"])
    predicted = Trajectory.read_csv(f"{stem}-predicted.csv")
    case = _case(document, Path(f"{stem}-measured.csv"))
    told = document["predicted"]
    scene = scene_of(predicted, case.workload)
    service_s = case.workload.service_s or 0.0
    prediction = Prediction(
        case,
        nominal(case.workload, case.servers),
        scene,
        scene.replay(scene.constant(service_s), case.servers).trajectory(predicted.worker),
        predicted,
        scene.constant(told["hold_s"]),
        told["utilization"],
        told["hold_s"],
        told["bands"],
    )
    measurement = Measurement(
        Trajectory.read_csv(f"{stem}-measured.csv"),
        document["real"],
        noise_of_document(document["noise"]),
        document["command"],
        document["began_monotonic_s"],
        {name: read_table(Path(f"{stem}-{name}.csv")) for name in document["tables"]},
        document["clients"],
        tuple(document["repeated"]),
    )
    return Run(
        case,
        prediction,
        measurement,
        None,
        [Attribution.of_document(one) for one in document["attributions"]],
        document["pairing"] and Pairing.of_document(document["pairing"]),
        document["floor_s"],
        document["answer_s"],
    )


def scene_of(trajectory: Trajectory, workload: Workload) -> Scene:
    """Return the scene of a trajectory's own arrivals, under the workload's rules; no questions."""
    arrival_ns = np.rint(trajectory.arrival_s * NS).astype(np.int64)
    worker = np.array([int(name[1:] or 0) for name in trajectory.worker.tolist()], np.int64)
    answer_ns = round(workload.query_service_s * NS)
    rules = Rules(workload.order, workload.query_policy, workload.inbox, answer_ns)
    return Scene(arrival_ns, worker, np.empty(0, np.int64), rules)


def _case(document: dict[str, Any], measured: Path) -> Case:
    told = document["case"]
    described = {name: value for name, value in document["workload"].items() if name not in ("digest", "duration_s")}
    if ":" in described["arrivals"] and described["arrivals"].partition(":")[0] in ("trace", "gaps"):
        # The recording need not be there any more; what arrived of it is.
        described |= {"arrivals": f"trace:{measured}:arrival_s", "rate_per_s": None, "messages": None}
    workload = Workload(**described)
    asking = told["asking"] and Asking(**told["asking"])
    return Case(document["label"], workload, **(told | {"asking": asking}))
