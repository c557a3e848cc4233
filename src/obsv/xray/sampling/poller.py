"""Asks X-Ray for rules and quotas, on a thread of its own that keeps no process alive."""

from __future__ import annotations

import _thread
import os
import random
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from obsv.hotpath import faults
from obsv.hotpath.span import SUPPRESSED, attach

from .client import MAX_DOCUMENTS, AskingError, Client
from .reservoir import INTERVAL, RuleState, number
from .rules import read_rules

if TYPE_CHECKING:
    from .sampler import Decider

RULES_JITTER = 5.0
"""Seconds that the time between two readings of the rules is longer at most, so that a fleet does not ask at once."""

TARGETS_JITTER = 0.1
FIRST_RETRY = 10.0
"""Seconds after which rules are asked for again when nobody answered; twice as long each time."""


class Poller:
    """Reads the rules every so many seconds, and reports what was sampled every ten.

    Args:
        decider: Is given the rules, and has the counts.
        endpoint: Who is asked (:class:`~.client.Client`).
        interval: Seconds between two readings of the rules.

    Attributes:
        started: Whether the thread runs, or cannot.
        client_id: Names this process to X-Ray: 24 hex digits.
        modified: When the rules were last changed, as X-Ray said (Unix seconds).
    """

    def __init__(self, decider: Decider, endpoint: str, interval: float) -> None:
        self.decider = decider
        self.client = Client(endpoint)
        self.interval = interval
        self.targets_interval = INTERVAL
        self.modified = 0.0
        self._rules_due = 0.0
        self._retry = FIRST_RETRY
        self._begin()

    def _begin(self) -> None:
        self.client_id = os.urandom(12).hex()
        self.started = False
        self._stopped = False
        self._once = _thread.allocate_lock()
        self._wake = _thread.allocate_lock()
        self._wake.acquire()

    def start(self) -> None:
        """Start the thread. Where there can be none, nobody is asked."""
        if self._stopped or not self._once.acquire(False):
            return  # of several threads that are here at once, one starts it
        self.started = True
        try:
            _thread.start_new_thread(self._run, (self._wake,))
        except RuntimeError:  # no more threads, or the program is at its end
            self._tell_rules("its thread cannot be started")

    def stop(self) -> None:
        """Let the thread end, without waiting for it."""
        self._stopped = True
        try:
            self._wake.release()
        except RuntimeError:
            pass

    def after_fork(self) -> None:
        """In a forked child: another client, whose thread is started by its first decision."""
        stopped = self._stopped
        self._begin()
        self._stopped = stopped
        self.client = Client(self.client.endpoint)  # a lock of botocore's may have been held when the child was forked
        self._rules_due += random.uniform(0, RULES_JITTER)  # all children of a server have this moment from it

    def _run(self, wake: _thread.LockType) -> None:
        attach(SUPPRESSED)
        while not self._stopped:
            pause = INTERVAL
            try:
                pause = self.poll()
            except Exception as error:  # noqa: BLE001 - a bug of ours: the next round may do better
                faults.report("X-Ray sampling", error)
            wake.acquire(timeout=pause)

    def poll(self) -> float:
        """Do what is due, and return for how many seconds nothing is."""
        now = monotonic()
        if now >= self._rules_due:
            self.read_rules(now)
        self.report(monotonic())
        rules = self.decider.rules
        pause = self.targets_interval if rules is not None else INTERVAL
        for state in rules.states if rules is not None else ():
            pause = min(pause, state.interval)
        pause = min(pause + random.uniform(0, TARGETS_JITTER), self._rules_due - monotonic())
        return max(pause, 0.01)

    def read_rules(self, now: float) -> None:
        """Read the rules, and follow them."""
        try:
            records = self.client.rules()
        except AskingError as error:
            self._tell_rules(str(error))
            self._rules_due = monotonic() + min(self._retry, self.interval)
            self._retry *= 2
            return
        rules, bad = read_rules(records)
        if bad:
            faults.tell(f"sampler xray: {bad} of {len(records)} sampling rules cannot be read and are left out")
        self.modified = max([self.modified, *[_modified(record) for record in records]])
        self.decider.adopt(rules, now, monotonic() + self.targets_interval)
        self._retry = FIRST_RETRY
        self._rules_due = monotonic() + self.interval + random.uniform(0, RULES_JITTER)

    def report(self, now: float) -> None:
        """Tell X-Ray what was sampled by the rules that matched since their last report, and take over their quotas."""
        rules = self.decider.rules
        # Half a second early is better than a whole round late.
        due = [state for state in rules.states if state.due <= now + 0.5] if rules is not None else []
        due = [state for state in due if state.requests or state.total]
        modified = self.modified
        for index in range(0, len(due), MAX_DOCUMENTS):
            try:
                modified = max(modified, self._report(due[index : index + MAX_DOCUMENTS]))
            except AskingError as error:
                faults.tell(
                    f"sampler xray: no quotas: {error}; without them a rule with a reservoir borrows one a second",
                    key="sampler xray quotas",
                )
                break  # what was counted is told the next time
        if modified > self.modified:  # both are X-Ray's: this machine's clock does not matter
            self.modified = modified
            self.read_rules(monotonic())

    def _report(self, states: list[RuleState]) -> float:
        """Tell X-Ray about these rules; returns when the rules were last changed, as it says."""
        at = int(time())
        # Counts go on while the answer is awaited: what was told is taken off them, and they are not set to 0.
        told = [(state, state.requests, state.sampled, state.borrowed) for state in states]
        boosts = [
            (state, state.failed, state.total, state.caught) for state in states if state.rule.boost and state.total
        ]
        answer = self.client.targets(
            [
                {
                    "RuleName": state.rule.name,
                    "ClientID": self.client_id,
                    "Timestamp": at,
                    "RequestCount": requests,
                    "SampledCount": min(sampled, requests),
                    "BorrowCount": min(borrowed, sampled, requests),
                }
                for state, requests, sampled, borrowed in told
            ],
            [
                {
                    "RuleName": state.rule.name,
                    "ServiceName": (self.decider.service["name"] or "unknown_service")[:64],
                    "Timestamp": at,
                    "AnomalyCount": failed,
                    "TotalCount": total,
                    "SampledAnomalyCount": caught,
                }
                for state, failed, total, caught in boosts
            ],
        )
        for state, requests, sampled, borrowed in told:
            state.requests -= requests
            state.sampled -= sampled
            state.borrowed -= borrowed
        for state, failed, total, caught in boosts:
            state.failed -= failed
            state.total -= total
            state.caught -= caught
        self._apply(answer, states)
        return number(answer.get("LastRuleModification")) or 0.0

    def _apply(self, answer: dict[str, Any], states: list[RuleState]) -> None:
        now = monotonic()
        by_name = {state.rule.name: state for state in states}
        for target in _documents(answer.get("SamplingTargetDocuments")):
            state = by_name.get(str(target.get("RuleName")))
            if state is not None:
                state.apply(target, now - time())
        for state in states:
            state.due = now + state.interval

    def _tell_rules(self, reason: str) -> None:
        """Say once that there are no rules, and once that those at hand are too old; what lies between is no news."""
        known = self.decider.rules is not None
        if known and monotonic() < self.decider.expires:
            return
        faults.tell(
            f"sampler xray: {'the sampling rules are an hour old' if known else 'no sampling rules yet'}: {reason}; "
            "until they come, one trace a second and 5 % of the others are kept",
            key=f"sampler xray {known}",
        )


def _modified(record: Any) -> float:
    return (number(record.get("ModifiedAt")) or 0.0) if isinstance(record, dict) else 0.0


def _documents(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
