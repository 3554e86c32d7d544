"""Summaries that nobody measured, of numbers to work out by hand: 5 ms asked for, 5.2 ms held, a limit of 192.3/s."""

from typing import Any

from compare.machine.noise import Noise

CAUSES = ("finite sample of arrivals", "service overshoot", "dispatch", "rest")
SHAPE = {"mean": 0.0, "p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0}


def calibration(
    work: str = "sleep", service_s: float = 0.005, processing_s: float = 0.00515, dispatch_s: float = 5e-5
) -> dict[str, Any]:
    times = {"processing_s": processing_s, "dispatch_s": dispatch_s, "wakeup_s": 6e-5, "woken_processing_s": 0.0052}
    found = {name: SHAPE | {"mean": value, "p99": 2 * value} for name, value in times.items()}
    hold_s = processing_s + dispatch_s
    before = {"work": work, "service_s": service_s, "stalled": 3, "messages": 295, "hold_s": hold_s} | found
    return before | {"afterwards": {"hold_s": 0.9 * hold_s}, "drift": -0.1}


def point(label: str = "150/s", metric: str = "latency_s.mean", **changes: Any) -> dict[str, Any]:
    workload = {"rate_per_s": 150.0, "service_s": 0.005, "duration_s": 4.0, "messages": 600, "workers": 10}
    own = {
        "label": label,
        "workload": workload | changes.pop("workload", {}),
        "metric": metric,
        "nominal": 0.0125,
        "predicted": 0.0141,
        "band": [0.0139, 0.0144],
        "measured": 0.0142,
        "path_error": 0.0071,
        "ensemble_error": 0.136,
        "tolerance": 0.05,
        "word": "AGREES",
        "reason": "+0.7 % off, tolerance 5 %",
        "title": "mean latency",
        "unit": "s",
        "utilization": 0.78,
        "adjusted": None,
        "ensemble": {"estimate": 0.015, "low": 0.0147, "high": 0.0153},
        "work": "sleep",
    }
    return own | changes


def saturated(measured: float = 192.0, **changes: Any) -> dict[str, Any]:
    rates = {"nominal": 200.0, "predicted": 192.3, "band": [192.0, 192.6], "measured": measured}
    limit = {"metric": "throughput_per_s", "title": "throughput", "unit": "/s", "utilization": 5.2, "ensemble": None}
    return point("1000/s", **limit | rates | changes)


def attribution(label: str = "150/s", statistic: str = "mean", parts: tuple[float, ...] = ()) -> dict[str, Any]:
    values = parts or (-0.0008, 0.0020, 0.0005, 0.0)
    told = [
        {"cause": cause, "value_s": value, "low_s": value, "high_s": value}
        for cause, value in zip(CAUSES, values, strict=True)
    ]
    nominal_s = 0.0125
    measured_s = nominal_s + sum(values)
    return {
        "label": label,
        "statistic": statistic,
        "nominal_s": nominal_s,
        "measured_s": measured_s,
        "named_share": 1.0,
        "parts": told,
    }


def pairing(label: str = "150/s") -> dict[str, Any]:
    worst = {"number": 317, "at_s": 2.11, "predicted_s": 0.01, "measured_s": 0.051, "why": "the machine stalled 41 ms"}
    sizes = {"p50": 2e-5, "p95": 3e-4, "max": 0.041}
    return {
        "label": label,
        "messages": 600,
        "correlation": 0.9943,
        "residual_s": {"mean": 1e-4},
        "absolute_residual_s": sizes,
        "worst": [worst],
    }


def noise(label: str = "150/s", repeated: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    own = Noise(4.0, stolen_s=0.0, run_delay_s=0.01, involuntary_switches=4).document()
    return {"label": label, "repeated": list(repeated)} | own | changes


def entry(name: str = "throughput", points: Any = None, **changes: Any) -> dict[str, Any]:
    own = {
        "name": name,
        "question": f"What of {name}?",
        "tried": f"{name} was tried.",
        "rules": "5 % of everything.",
        "hypothesis": "It will be 14.1 ms.",
        "answer": "It was 14.2 ms.",
        "points": [point(), saturated()] if points is None else points,
        "attribution": [attribution()],
        "pairing": [pairing()],
        "noise": [noise()],
        "facts": {},
        "figures": [f"{name}/latency.png", f"{name}/latency.svg"],
        "captions": {f"{name}/latency.png": "Where they agree, points lie on the line."},
    }
    return own | changes


LIMITS = {"limit_per_s": 192.0, "calibrated_limit_per_s": 192.3, "nominal_limit_per_s": 200.0}


def summary(*entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    entries = entries or (entry(facts=LIMITS),)
    words = [one["word"] for experiment in entries for one in experiment["points"]]
    own = {
        "schema_version": 1,
        "command": "python -m compare all --quick",
        "awake": {"processors": 2, "why_not": None},
        "environment": {
            "python": "3.13.0",
            "implementation": "CPython",
            "gil": True,
            "system": "Linux 6.1",
            "machine": "x86_64",
            "processor": "Some processor",
            "cores": 2,
            "load_average": 0.5,
            "packages": {"simpy": "4.1.1"},
        },
        "options": {
            "quick": True,
            "service_s": 0.005,
            "arrivals": "poisson",
            "workers": 10,
            "popularity": "uniform",
            "seed": 1,
            "recorded": None,
        },
        "inject": "",
        "unfinished": [],
        "calibration": calibration(),
        "calibrations": [calibration()],
        "experiments": list(entries),
        "verdict": {word.lower(): words.count(word) for word in ("AGREES", "DIFFERS", "INCONCLUSIVE")},
        "accuracy": {"sleep": {"mean": 0.0071, "p99": None, "runs": 1, "correlation": 0.9943}},
    }
    return own | changes
