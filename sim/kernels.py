"""The compiled loops of the Monte Carlo engine: each takes up a run where the last call left it, and counts.

First come, first served. Times are in units of the mean service time, and relative to the arrival at hand wherever
they could grow, so that the last of 10^9 messages is as exact as the first.
"""

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba import njit

from sim.histogram import BASE, BINS, FLOOR, SHIFT

# Kinds of gaps and of service times, and what else there is to know of them.
EXPONENTIAL, CONSTANT, LOGNORMAL, SAMPLED, BURSTY = range(5)
GAP, SLOW_RATE, FAST_RATE, DWELL, SIGMA, PARAMETERS = range(6)

# A run's state: wait and work of the message before, the instant at hand, what is left of the message in service and
# whether something already stands behind it, how many wait; and for bursty arrivals the phase and what is left of it.
WAIT, WORK, NOW, LEFT, STANDING, WAITING, FAST, PHASE_LEFT = range(8)
LONGEST_WAIT, LONGEST_LATENCY, MOST_WORK, LONGEST_RESIDUAL, LONGEST_QUEUE, RESIDUALS, BLOCKED, STATE = range(8, 16)
# The regression of latency on arrival: points, means of both, and sums of squares and products about the means.
POINTS, MEAN_X, MEAN_Y, SXX, SXY, TREND = range(6)
# What is counted of every message.
OF_WAITS, OF_LATENCIES, OF_WORK, OF_RESIDUALS, HISTOGRAMS = range(5)
STRIDE = 32  # where service is constant, the rarer metrics look at every 32nd message


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until a call that is given generators is over, a tenth of a second at most.

    To unpack a generator numba runs Python code, and does not look whether an interrupt ended that: it would crash.
    """
    if not hasattr(signal, "pthread_sigmask"):  # not on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def fresh_state() -> tuple[Any, Any]:
    """Return the state and trend of a run in which nothing has arrived."""
    state = np.zeros(STATE)
    state[WAIT] = -1.0  # with the work of nobody, 1, it makes the first message wait for nothing
    state[WORK] = 1.0
    return state, np.zeros(TREND)


@njit(cache=True)
def constant_service(draws: Any, gap: Any, waits: Any, state: Any, trend: Any, counts: Any) -> Any:
    """Run one message a draw, each of 1 unit of work, after a gap of `gap` times the draw; return the sum of waits.

    The wait w of a message tells where the others are: ⌈w⌉ are waiting, itself included, and the one in service will
    be done in w − ⌈w⌉ + 1.
    """
    n, first, now = len(draws), state[WAIT], state[NOW]
    w, bits, of_waits = first, waits.view(np.int64), counts[OF_WAITS]
    for i in range(n):
        w = max(w + (1.0 - gap * draws[i]), FLOOR)
        waits[i] = w
        of_waits[_bin(bits[i])] += 1  # in this loop it costs next to nothing: the sum above has to wait for itself
    x0, y0 = now, max(first, 0.0)
    points = sx = sy = sxx = sxy = 0.0
    residuals = covered = longest_left = 0.0
    residual = np.empty(1)
    for begin in range(0, n, STRIDE):
        g, y = gap * draws[begin], waits[begin]
        before = waits[begin - 1] if begin else first
        left = y - math.ceil(y) + 1.0 if y > FLOOR else FLOOR
        left_before = before - math.ceil(before) + 1.0 if before > FLOOR else FLOOR
        residual[0] = left
        counts[OF_RESIDUALS, _bin(residual.view(np.int64)[0])] += 1
        longest_left = max(longest_left, left)
        residuals += left
        if left_before <= g:  # the first to arrive in this service
            covered += left
        dx, dy = now + g - x0, y - y0
        points += 1.0
        sx += dx
        sy += dy
        sxx += dx * dx
        sxy += dx * dy
        now += gap * _sum(draws[begin : begin + STRIDE])
    state[WAIT], state[WORK], state[NOW], state[MOST_WORK] = w, 1.0, now, 1.0
    state[LONGEST_WAIT] = max(state[LONGEST_WAIT], _greatest(waits))
    state[LONGEST_LATENCY], state[LONGEST_QUEUE] = state[LONGEST_WAIT] + 1.0, math.ceil(state[LONGEST_WAIT] - FLOOR)
    state[WAITING], state[LEFT] = math.ceil(w - FLOOR), w - math.ceil(w - FLOOR) + 1.0
    state[LONGEST_RESIDUAL] = max(state[LONGEST_RESIDUAL], longest_left)
    state[RESIDUALS] += residuals
    state[BLOCKED] += covered * n / points
    _merge(trend, points, (x0, y0), (sx, sy, sxx, sxy))
    return _sum(waits)


@njit(cache=True)
def varied(n: Any, until: Any, process: Any, state: Any, trend: Any, counts: Any) -> tuple[Any, Any, Any]:
    """Run `n` messages, or those that arrive until then; return how many, and the sums of their waits and work.

    `process` is the kinds of gaps and of service times, their parameters, samples, and the generators of gaps, phases,
    service times, and service times again: whoever is in service drew its time when it arrived, and what is in service
    now is found by drawing the same numbers a second time, later. So nothing has to be remembered of those that wait.
    """
    (gap_kind, kind), parameters, samples, (gaps, phases, arriving, serving) = process
    w, work, now, left, standing, waiting = state[WAIT : WAITING + 1]
    x0, y0 = now, max(w + work, 0.0)
    sx = sy = sxx = sxy = waits = works = 0.0
    times = np.empty(HISTOGRAMS)
    bits, done = times.view(np.int64), 0
    while done < n:
        g = _gap(gap_kind, parameters, gaps, phases, state)
        if now + g > until:
            break
        now += g
        w = max(w + work - g, FLOOR)
        work = _work(kind, parameters, samples, arriving)
        left -= g
        while left <= 0.0 and waiting > 0.0:
            left += _work(kind, parameters, samples, serving)
            waiting, standing = waiting - 1.0, 0.0
        residual = FLOOR
        if left <= 0.0:
            left, standing = _work(kind, parameters, samples, serving), 0.0
        else:
            waiting, residual = waiting + 1.0, left
            state[BLOCKED] += 0.0 if standing else left  # the first to arrive in this service
            standing = 1.0
        times[OF_WAITS], times[OF_LATENCIES] = w, w + work
        times[OF_WORK], times[OF_RESIDUALS] = max(work, FLOOR), max(residual, FLOOR)
        for which in range(HISTOGRAMS):
            counts[which, _bin(bits[which])] += 1
            state[LONGEST_WAIT + which] = max(state[LONGEST_WAIT + which], times[which])
        state[LONGEST_QUEUE] = max(state[LONGEST_QUEUE], waiting)
        state[RESIDUALS] += residual
        waits, works, done = waits + w, works + work, done + 1
        dx, dy = now - x0, w + work - y0
        sx, sy, sxx, sxy = sx + dx, sy + dy, sxx + dx * dx, sxy + dx * dy
    if done:
        state[WAIT], state[WORK], state[NOW] = w, work, now
        state[LEFT], state[STANDING], state[WAITING] = left, standing, waiting
        _merge(trend, float(done), (x0, y0), (sx, sy, sxx, sxy))
    return done, waits, works


@njit(cache=True)
def overshoot(process: Any, state: Any) -> Any:
    """Return the sum, over those that wait at the last arrival, of how much later than it they start."""
    (_, kind), parameters, samples, (_, _, _, serving) = process
    total, at = 0.0, state[LEFT]
    for _ in range(int(state[WAITING])):
        total += at
        at += _work(kind, parameters, samples, serving)
    return total


@njit(cache=True)
def _gap(kind: Any, parameters: Any, gaps: Any, phases: Any, state: Any) -> Any:
    if kind == CONSTANT:
        return parameters[GAP]
    owed = gaps.standard_exponential()
    if kind == EXPONENTIAL:
        return owed * parameters[GAP]
    # What separates two messages is `owed` expected messages, spent at whatever rate holds.
    passed = 0.0
    while True:
        rate = parameters[FAST_RATE] if state[FAST] else parameters[SLOW_RATE]
        if owed <= state[PHASE_LEFT] * rate:
            state[PHASE_LEFT] -= owed / rate
            return passed + owed / rate
        owed -= state[PHASE_LEFT] * rate
        passed += state[PHASE_LEFT]
        state[FAST] = 1.0 - state[FAST]
        state[PHASE_LEFT] = phases.standard_exponential() * parameters[DWELL]


@njit(cache=True)
def _work(kind: Any, parameters: Any, samples: Any, draw: Any) -> Any:
    if kind == CONSTANT:
        return 1.0
    if kind == EXPONENTIAL:
        return draw.standard_exponential()
    if kind == SAMPLED:
        return samples[int(draw.random() * len(samples))]
    sigma = parameters[SIGMA]
    return math.exp(sigma * draw.standard_normal() - 0.5 * sigma * sigma)


@njit(inline="always")
def _bin(bits: Any) -> Any:
    """Return the bin of `sim.histogram` in which a number ≥ FLOOR with these bits is counted."""
    return np.uint64(min((bits >> SHIFT) - BASE, BINS - 1))


@njit(cache=True)
def _greatest(values: Any) -> Any:
    bits, most = values.view(np.int64), np.int64(0)
    for i in range(len(bits)):  # of numbers ≥ 0 the greater has the greater bits, and integers compare faster
        most = max(most, bits[i])
    return np.array([most]).view(np.float64)[0]


@njit(cache=True, fastmath=True)
def _sum(values: Any) -> Any:
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    return total


@njit(cache=True)
def _merge(trend: Any, points: Any, origin: Any, sums: Any) -> None:
    """Add the points of a stretch, with sums taken about an origin (Chan, Golub and LeVeque 1983, eq. 1.5)."""
    (x0, y0), (sx, sy, sxx, sxy) = origin, sums
    mean_x, mean_y, before = x0 + sx / points, y0 + sy / points, trend[POINTS]
    weight = before * points / (before + points)
    dx, dy = mean_x - trend[MEAN_X], mean_y - trend[MEAN_Y]
    trend[SXX] += sxx - sx * sx / points + weight * dx * dx
    trend[SXY] += sxy - sx * sy / points + weight * dx * dy
    trend[MEAN_X] += dx * points / (before + points)
    trend[MEAN_Y] += dy * points / (before + points)
    trend[POINTS] += points
