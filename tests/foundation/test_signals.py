"""Ctrl-C at any time while waiting for other threads does not hang."""

from __future__ import annotations

import math
import os
import signal
import sys
import time

import pytest

from molvae.chemistry.molecule import parse
from molvae.oracles.base import Score
from molvae.oracles.config import ExternalSettings
from molvae.oracles.external import ExternalOracle
from molvae.parallel.mapping import ordered_map
from molvae.parallel.signals import deferred_signals

FINISHED, INTERRUPTED = 10, 11


class _Worker:
    def ask(self, smiles, _seconds):
        time.sleep(0.005)
        return [Score.ok(1.0)] * len(smiles)

    def close(self):
        pass

    def interrupt(self):
        pass


def _external():
    oracle = ExternalOracle("x", _Worker, ExternalSettings(workers=2))
    return lambda: oracle([parse("C")] * 6)


def _mapped():
    results = ordered_map(math.sqrt, range(40), workers=2, chunk=4)
    next(results)  # the processes have started
    return lambda: list(results)


def _ended_with(make, number):
    """Exit code of a process with Ctrl-C at the return of its `number`th function; None if it hangs."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            action, left = make(), number

            def returning(_frame, event, _argument):
                nonlocal left
                left -= event == "return"
                if left == 0:
                    sys.settrace(None)
                    signal.raise_signal(signal.SIGINT)
                return returning

            sys.settrace(returning)
            try:
                action()
                code = FINISHED
            except KeyboardInterrupt:
                code = INTERRUPTED
        finally:
            sys.settrace(None)
            os._exit(code)
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended == child:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@pytest.mark.parametrize(("make", "numbers"), [(_external, range(1, 72)), (_mapped, range(4, 95, 13))])
def test_ctrl_c_at_any_return_of_a_function_ends_the_wait(make, numbers):
    ended = {number: _ended_with(make, number) for number in numbers}
    assert set(ended.values()) == {INTERRUPTED}, ended


def test_a_deferred_signal_is_handled_where_the_block_says_and_a_later_one_at_its_end():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: seen.append(number))
    try:
        with deferred_signals() as deliver:
            signal.raise_signal(signal.SIGINT)
            assert seen == []
            deliver()
            assert seen == [signal.SIGINT]
            signal.raise_signal(signal.SIGINT)
            assert seen == [signal.SIGINT]
        assert seen == [signal.SIGINT] * 2
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_that_lets_the_second_signal_end_the_process_stays_in_force():
    def first(number, _frame):
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, first)
    try:
        with pytest.raises(KeyboardInterrupt), deferred_signals():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
