"""Centralised sampling against a sampling service on a real socket, by real threads and processes.

The rules of the protocol are in ``conformance/test_xray_sampling_rules``.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import obsv
from obsv.hotpath import faults
from obsv.hotpath.span import Remote, attach, detach
from obsv.testing import capture
from obsv.xray.sampling.client import MAX_ANSWER, AskingError, Client, endpoint_of
from obsv.xray.sampling.poller import Poller
from obsv.xray.sampling.sampler import Decider
from programs import FORKS, run
from servers import free_port, wait_until
from xray_sampling import ALL, RULES, SERVICE, TARGETS, SamplingService, decider_at, record, report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def service() -> Iterator[SamplingService]:
    with SamplingService(ALL) as made:
        yield made


@pytest.fixture(autouse=True)
def _quiet_again() -> Iterator[None]:
    yield
    faults.reset()


# ---------------------------------------------------------------------- the thread


def test_the_thread_reports_by_itself(service: SamplingService) -> None:
    service.targets = [{"RuleName": "Default", "FixedRate": 0.25, "Interval": 10}]
    decider = Decider(SERVICE, service.url)
    decider.poller.targets_interval = 0.05
    decider.decide(0, {})
    wait_until(lambda: decider.rules, "rules")
    decider.decide(0, {})
    wait_until(lambda: decider.decide(0, {})[0] == 4.0, "the targets' rate")
    decider.poller.stop()
    assert len(service.at(TARGETS)) == 1
    [told] = service.at(TARGETS)[0]["SamplingStatisticsDocuments"]
    assert told["SampledCount"] == told["RequestCount"] >= 1


def test_many_threads_at_once_start_one_thread(service: SamplingService) -> None:
    decider = Decider(SERVICE, service.url)
    started: list[int] = []
    together = threading.Barrier(16)

    def decide() -> None:
        together.wait()
        decider.decide(0, {})

    decider.poller._run = lambda wake: started.append(1)  # type: ignore[method-assign]
    threads = [threading.Thread(target=decide) for _ in range(16)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(before)
    wait_until(lambda: started, "the thread")
    assert started == [1]


def test_counts_that_could_not_be_told_are_told_later(service: SamplingService) -> None:
    decider = decider_at(service)
    decider.decide(0, {})
    service.status = 503
    report(decider)
    service.status = 200
    decider.decide(0, {})
    report(decider)
    assert service.at(TARGETS)[-1]["SamplingStatisticsDocuments"][0]["RequestCount"] == 2


# ---------------------------------------------------------------------- nobody to ask, bad answers


@pytest.mark.parametrize(
    "raw", [b"", b"not json", b"[]", b"{}", b'{"SamplingRuleRecords": 7}', b"[" * 100_000, b"x" * (MAX_ANSWER + 1)]
)
def test_an_answer_that_is_none_is_an_error_of_its_own(service: SamplingService, raw: bytes) -> None:
    service.raw = raw
    with pytest.raises(AskingError):
        Client(service.url).rules()


def test_a_reason_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def answer() -> None:
            connection, _ = odd.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"garbage\r\n\r\nmore")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(AskingError, match=r"garbage$"):
            Client(f"http://127.0.0.1:{odd.getsockname()[1]}").rules()
        thread.join()


def test_rules_in_circles_end(service: SamplingService) -> None:
    service.raw = json.dumps({"SamplingRuleRecords": [], "NextToken": "again"}).encode()
    assert Client(service.url).rules() == []
    assert len(service.asked) == 100


def test_targets_that_are_none_change_nothing(service: SamplingService) -> None:
    decider = decider_at(service)
    decider.decide(0, {})
    service.targets = [{"RuleName": ["r"]}, {"RuleName": "Default", "FixedRate": "1"}, 7]  # type: ignore[list-item]
    report(decider)
    assert decider.decide(0, {}) == (1.0, "Default")


def test_nobody_listens_one_line_and_then_silence(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    poller = Decider(SERVICE, f"http://127.0.0.1:{port}").poller
    due = []
    for _ in range(5):
        now = time.monotonic()
        poller.read_rules(now)
        due.append(round(poller._rules_due - now, -1))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"obsv: sampler xray: no sampling rules yet: http://127.0.0.1:{port}: ")
    assert due == [10, 20, 40, 80, 160]


def test_rules_that_got_too_old_are_told_once(
    service: SamplingService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    decider = decider_at(service)
    service.status = 500
    decider.poller.read_rules(time.monotonic())
    assert capsys.readouterr().err == ""  # what is at hand holds for an hour
    decider.expires = 0.0
    decider.poller.read_rules(time.monotonic())
    decider.poller.read_rules(time.monotonic())
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("obsv: sampler xray: the sampling rules are an hour old: http://127.0.0.1")


def test_targets_that_nobody_gives_are_told_once(service: SamplingService, capsys: pytest.CaptureFixture[str]) -> None:
    decider = decider_at(service)
    service.status = 403
    for _ in range(2):
        decider.decide(0, {})
        report(decider)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "no quotas" in said[0]
    assert "/SamplingTargets: HTTP 403" in said[0]


def test_a_host_that_can_be_none_is_an_error_of_its_own() -> None:
    with pytest.raises(AskingError):
        Client(f"http://{'a' * 100}:2000").rules()


def test_a_bug_of_ours_does_not_end_the_polling(service: SamplingService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSV_RAISE")
    polls: list[int] = []

    def poll(self: Poller) -> float:
        polls.append(1)
        if len(polls) == 1:
            raise ZeroDivisionError
        self.stop()
        return 0.0

    monkeypatch.setattr(Poller, "poll", poll)
    monkeypatch.setattr("obsv.xray.sampling.poller.INTERVAL", 0.01)
    Decider(SERVICE, service.url).poller.start()
    wait_until(lambda: len(polls) == 2, "a second round")


# ---------------------------------------------------------------------- signed


def test_requests_to_x_ray_itself_are_signed(service: SamplingService, monkeypatch: pytest.MonkeyPatch) -> None:
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    monkeypatch.setenv("AWS_ENDPOINT_URL_XRAY", service.url)
    Client("aws").targets([{"RuleName": "r"}], [])
    [(path, headers, document)] = service.asked
    assert "/us-east-1/xray/aws4_request" in headers["Authorization"]

    class Then(auth.SigV4Auth):  # type: ignore[misc, name-defined]
        def _modify_request_before_signing(self, request: Any) -> None:
            request.context["timestamp"] = headers["X-Amz-Date"]
            super()._modify_request_before_signing(request)

    request = AWSRequest(
        "POST", service.url + path, {"Content-Type": "application/json"}, json.dumps(document).encode()
    )
    Then(Credentials("testing", "testing"), "xray", "us-east-1").add_auth(request)
    assert request.headers["X-Amz-Date"] == headers["X-Amz-Date"]
    assert request.headers["Authorization"] == headers["Authorization"]


@pytest.mark.parametrize(
    ("error", "again"), [("ExpiredTokenException:http://x", True), ("AccessDeniedException", False), ("", False)]
)
def test_credentials_that_aws_does_not_take_are_looked_for_again(
    service: SamplingService, monkeypatch: pytest.MonkeyPatch, error: str, again: bool
) -> None:
    pytest.importorskip("botocore")
    monkeypatch.setenv("AWS_ENDPOINT_URL_XRAY", service.url)
    client = Client("aws")
    service.status, service.error = 403, error
    with pytest.raises(AskingError, match="HTTP 403"):
        client.rules()
    service.status = 200
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "renewed")
    client.rules()
    assert ("Credential=renewed/" in service.asked[-1][1]["Authorization"]) is again


@pytest.mark.parametrize(
    ("endpoint", "signed", "region"),
    [
        ("https://xray.eu-west-1.amazonaws.com", True, "eu-west-1"),
        ("https://xray.cn-north-1.amazonaws.com.cn", True, "cn-north-1"),
        ("https://collector.example:2000", False, ""),
        ("http://127.0.0.1:2000", False, ""),
        ("http://xray:2000", False, ""),
    ],
)
def test_who_is_signed_to(endpoint: str, signed: bool, region: str) -> None:
    client = Client(endpoint)
    assert (client.access is not None) is signed
    if client.access is not None:
        assert (client.region or client.access.region()) == region


def test_the_endpoint_of_a_region() -> None:
    assert endpoint_of("eu-west-1") == "https://xray.eu-west-1.amazonaws.com"
    assert endpoint_of("cn-north-1") == "https://xray.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no AWS credentials, for xray:GetSamplingRules"),
        ({"AWS_PROFILE": "nobody"}, "ProfileNotFound"),
    ],
)
def test_without_credentials_there_is_a_reason(variables: dict[str, str], reason: str, monkeypatch: Any) -> None:
    pytest.importorskip("botocore")
    for name, value in variables.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    with pytest.raises(AskingError, match=reason):
        Client("https://xray.eu-west-1.amazonaws.com").rules()


# ---------------------------------------------------------------------- obsv.init


def test_a_sampled_root_names_its_rule(service: SamplingService) -> None:
    service.pages = [
        [record(RuleName="orders", Priority=1, URLPath="/orders/*", FixedRate=1.0), record(RuleName="Default")]
    ]
    with capture(sampler=f"xray:endpoint={service.url}") as seen:
        sampler = obsv_sampler()
        with obsv.span("starts the thread"):
            pass
        wait_until(lambda: sampler.decider.rules, "rules")
        with obsv.span("GET", **{"url.path": "/orders/7"}), obsv.span("child"):
            pass
        with obsv.span("GET", **{"url.path": "/health"}):
            pass
        names = {span.name: span.attributes for span in seen.spans}
    assert names["GET"]["aws.xray.sampling_rule"] == "orders"
    assert names["GET"]["url.path"] == "/orders/7"
    assert "aws.xray.sampling_rule" not in names["child"]


def test_a_callers_decision_stands(service: SamplingService) -> None:
    service.pages = [[record(RuleName="Default", FixedRate=0.0)]]
    with capture(sampler=f"xray:endpoint={service.url}") as seen:
        sampler = obsv_sampler()
        sampler.decider.poller.started = True
        sampler.decider.poller.read_rules(time.monotonic())
        for flags, decided in ((1, True), (0, True), (0, False)):
            token = attach(Remote(1, 2, 3, flags, decided=decided))
            with obsv.span(f"{flags} {decided}"):
                pass
            detach(token)
        assert [span.name for span in seen.spans] == ["1 True"]
        assert sampler.decider.rules is not None
        assert sampler.decider.rules.by_name["Default"].requests == 1  # the undecided one


def test_a_share_from_a_higher_place_has_the_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "xray")
    with capture() as seen:  # says sample=1.0
        assert obsv_sampler() is None
        with obsv.span("a"):
            pass
        assert [span.name for span in seen.spans] == ["a"]


def test_the_provider_shows_its_sampler(service: SamplingService) -> None:
    sampling = pytest.importorskip("opentelemetry.sdk.trace.sampling")
    from opentelemetry import trace

    with capture(sampler=f"xray:endpoint={service.url}"):
        shown = trace.get_tracer_provider().sampler  # type: ignore[attr-defined]
        assert isinstance(shown, sampling.ParentBased)
        assert service.url in shown.get_description()


def obsv_sampler() -> Any:
    from obsv.hotpath.span import OUTLET

    return OUTLET.sampler


def test_the_sdk_finds_the_sampler_by_its_name(service: SamplingService) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ParentBased

    from obsv.otel.xray_sampler import XRaySampler, sampler

    made = sampler(f"endpoint={service.url},polling_interval=60")
    assert isinstance(made, ParentBased)
    own = XRaySampler(Resource({"service.name": "shop"}), service.url)
    provider = TracerProvider(sampler=ParentBased(own))
    tracer = provider.get_tracer("t")
    tracer.start_span("starts the thread").end()
    wait_until(lambda: own._decider.rules, "rules")
    span: Any = tracer.start_span("a", attributes={"b": 1})
    assert span.attributes == {"b": 1, "aws.xray.sampling_rule": "Default"}
    own._decider.poller.stop()


class Broken:
    def __str__(self) -> str:
        raise RuntimeError


def test_an_attribute_that_has_no_text_hurts_nobody(service: SamplingService) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from obsv.otel.xray_sampler import XRaySampler

    service.pages = [[record(RuleName="r", Priority=1, Attributes={"a": "b"}), record(**ALL)]]
    own = XRaySampler({"service.name": "shop"}, service.url)
    own._decider.poller.started = True
    own._decider.poller.read_rules(time.monotonic())
    odd: Any = {"a": Broken(), "url.path": Broken()}
    result = own.should_sample(None, 7, "GET", attributes=odd)
    assert result.attributes is not None
    assert result.attributes["aws.xray.sampling_rule"] == "Default"


# ---------------------------------------------------------------------- processes

_PROGRAM = """
import os, sys, threading, time
import obsv
obsv.init("program")
from obsv.hotpath.span import OUTLET
decider = OUTLET.sampler.decider
def wait():
    until = time.monotonic() + 20
    while decider.rules is None and time.monotonic() < until:
        time.sleep(0.01)
"""


def test_the_variables_of_the_specification(service: SamplingService) -> None:
    code = _PROGRAM + 'obsv.span("a").__enter__(); wait(); print(decider.rules.states, decider.poller.interval)'
    done = run(
        code,
        OTEL_TRACES_SAMPLER="xray",
        OTEL_TRACES_SAMPLER_ARG=f"endpoint={service.url},polling_interval=60",
        OBSV_TRACES="none",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[<obsv.xray.sampling.reservoir.RuleState object")
    assert done.stdout.strip().endswith("60.0")


def test_the_daemons_tcp_address(service: SamplingService) -> None:
    code = _PROGRAM + 'obsv.span("a").__enter__(); wait(); print(len(decider.rules.states))'
    address = f"tcp:{service.url.removeprefix('http://')} udp:127.0.0.1:{free_port()}"
    done = run(code, OBSV_SAMPLER="xray", AWS_XRAY_DAEMON_ADDRESS=address, OBSV_TRACES="none")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_the_thread_starts_with_the_first_trace_and_keeps_no_process_alive(service: SamplingService) -> None:
    code = _PROGRAM + (
        "import sys\n"
        "before = 'http.client' in sys.modules\n"
        "with obsv.span('a'): pass\n"
        "wait()\n"
        "print(before, [thread.name for thread in threading.enumerate()])\n"
    )
    done = run(code, OBSV_SAMPLER=f"xray:endpoint={service.url}", OBSV_TRACES="none", timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False ['MainThread']\n", "")


def test_a_service_that_hangs_holds_up_neither_requests_nor_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        code = _PROGRAM + "with obsv.span('a'): pass\ntime.sleep(0.3)\nprint(decider.rules)"
        done = run(
            code,
            OBSV_SAMPLER=f"xray:endpoint=http://127.0.0.1:{hanging.getsockname()[1]}",
            OBSV_TRACES="none",
            timeout=4.5,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")


def test_a_forked_child_asks_for_itself(service: SamplingService) -> None:
    code = _PROGRAM + (
        "with obsv.span('a'): pass\n"
        "wait()\n"
        "own = decider.poller.client_id\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    assert decider.rules is not None and not decider.poller.started\n"
        "    assert decider.poller.client_id != own\n"
        "    assert decider.rules.states[0].requests == 0\n"
        "    decider.rules = None\n"
        "    decider.poller._rules_due = 0\n"
        "    with obsv.span('b'): pass\n"
        "    wait()\n"
        "    os._exit(0 if decider.rules else 1)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    done = run(code, OBSV_SAMPLER=f"xray:endpoint={service.url}", OBSV_TRACES="none", **FORKS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
    assert len(service.at(RULES)) == 2


_SLOW = """
import os, time
with open(os.environ["IMPORTING"], "w"):
    pass
time.sleep(1)
"""


def test_a_fork_waits_until_the_thread_has_imported_what_it_needs(tmp_path: Path) -> None:
    """A child that is forked in the middle would wait for ever when it imports the module itself."""
    package = tmp_path / "botocore"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "session.py").write_text(_SLOW)
    code = _PROGRAM + (
        "with obsv.span('a'): pass\n"
        "while not os.path.exists(os.environ['IMPORTING']): time.sleep(0.01)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    import signal\n"
        "    signal.alarm(20)\n"
        "    import botocore.session\n"
        "    os._exit(0)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    settings = {"OBSV_SAMPLER": "xray:endpoint=aws", "OBSV_TRACES": "none", "IMPORTING": str(tmp_path / "now")}
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = run(code, PYTHONPATH=path, **settings, **FORKS)
    assert (done.returncode, done.stdout) == (0, "0\n")


def test_the_end_of_unsampled_requests_is_known_to_the_boost(service: SamplingService) -> None:
    boost = {"MaxRate": 0.5, "CooldownWindowMinutes": 1}
    service.pages = [[record(RuleName="r", FixedRate=0.0, SamplingRateBoost=boost)]]
    with capture(sampler=f"xray:endpoint={service.url}", keep=True):
        decider = obsv_sampler().decider
        decider.poller.started = True
        decider.poller.read_rules(time.monotonic())
        for failing in (True, False, True):
            try:
                with obsv.span("a"):
                    if failing:
                        raise OSError
            except OSError:
                pass
        report(decider)
    [told] = service.at(TARGETS)[0]["SamplingBoostStatisticsDocuments"]
    assert (told["AnomalyCount"], told["TotalCount"], told["SampledAnomalyCount"]) == (2, 3, 0)


def test_a_request_of_flask_is_matched_by_path_host_and_method(service: SamplingService) -> None:
    flask = pytest.importorskip("flask")
    service.pages = [
        [
            record(
                RuleName="r", URLPath="/orders/*", Host="shop.example", HTTPMethod="POST", FixedRate=1.0, Priority=1
            ),
            record(RuleName="Default"),
        ]
    ]
    with capture(sampler=f"xray:endpoint={service.url}") as seen:
        decider = obsv_sampler().decider
        decider.poller.started = True
        decider.poller.read_rules(time.monotonic())
        app = flask.Flask("shop")
        app.add_url_rule("/orders/<int:number>", view_func=lambda number: "ok", methods=["GET", "POST"], endpoint="o")
        client = app.test_client()
        client.get("/orders/7", base_url="http://shop.example")
        client.post("/orders/7", base_url="http://other.example")
        client.post("/orders/7", base_url="http://shop.example")
        assert [(span.name, span.attributes["aws.xray.sampling_rule"]) for span in seen.spans] == [
            ("POST /orders/<int:number>", "r")
        ]


def test_a_segment_names_the_rule(service: SamplingService) -> None:
    from obsv.xray.segment import documents

    with capture(sampler=f"xray:endpoint={service.url}") as seen:
        decider = obsv_sampler().decider
        decider.poller.started = True
        decider.poller.read_rules(time.monotonic())
        with obsv.span("a"):
            pass
        [document] = documents(seen.spans, {"service.name": "shop"})
    assert json.loads(document)["aws"]["xray"]["sampling_rule_name"] == "Default"
