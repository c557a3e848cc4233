"""docs/on-aws.md says what is so: its tables, its pictures, and the documents below them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from emf_judge import Judge
from obsv.settings import resolve
from obsv.settings_lists import SINKS
from obsv.settings_table import SETTINGS
from obsv.sinks.base import Batch, Retry, create
from pictures import __main__ as maker
from pictures import page, places, svg
from pictures.metrics import definitions
from pictures.recording import ROUNDS, blank, record
from telemetry import Recorder, log

if TYPE_CHECKING:
    from pathlib import Path

    from aws_server import AwsServer
    from collectors import XRayDaemon
    from servers import MotoServer

PAGE = page.PAGE.read_text(encoding="utf-8")


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The rows of all tables of a text, without their headings."""
    found: list[list[str]] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        heading = number + 1 < len(lines) and lines[number + 1].startswith("|---")
        if line.startswith("| ") and not heading:
            found.append([cell.strip() for cell in line.strip().strip("|").split(" | ")])
    return found


# ---- what the page shows


def test_the_page_and_its_pictures_are_made_from_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert (maker.main(["--check"]), capsys.readouterr().out) == (0, ""), "make pictures"


def test_the_program_of_the_page_still_sends_what_is_kept(
    moto_server: MotoServer, xray_daemon: XRayDaemon, tmp_path: Path
) -> None:
    told, kept = record(moto_server, xray_daemon, tmp_path), maker.load()
    for part in ("documents", "metrics", "logs", "signals"):
        assert blank(told[part]) == blank(kept[part]), f"{part}: make pictures ARGS=--record"
    assert set(definitions(told["runtime"])) == set(definitions(kept["runtime"]))
    assert len(told["metrics"]) == len(ROUNDS)
    assert len(told["documents"]) == len(ROUNDS[-1])
    assert {line["xray_trace_id"] for line in told["logs"]} == {each["trace_id"] for each in told["documents"]}


def test_what_is_kept_keeps_the_rules_of_emf() -> None:
    kept, judge = maker.load(), Judge()
    for line in [*[line for each in kept["metrics"] for line in each], *kept["runtime"]]:
        judge.check(json.dumps(line))


@pytest.mark.parametrize("name", sorted(maker.drawings(maker.load())))
def test_pictures_are_well_formed_and_say_what_they_show(name: str) -> None:
    text = (page.FOLDER / name).read_text(encoding="utf-8")
    root = ET.fromstring(text)
    spaces = {"s": "http://www.w3.org/2000/svg"}
    title, description = root.find("s:title", spaces), root.find("s:desc", spaces)
    assert title is not None
    assert description is not None
    assert title.text
    assert description.text
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for each in root.iter("{http://www.w3.org/2000/svg}text"):
        assert 0 <= float(each.attrib["x"]) <= width
        assert 0 < float(each.attrib["y"]) <= height
        if "text-anchor" not in each.attrib:
            assert float(each.attrib["x"]) + svg.CHARACTER * len("".join(each.itertext())) <= width, each.text
    assert f"](pictures/{name})" in PAGE
    used = {word for each in root.iter() for word in each.attrib.get("class", "").split()}
    known = {*svg.LIGHT, *[f"s-{word}" for word in svg.LIGHT], "none", "mono", "bold", "large"}
    assert used <= known


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, "contrast ratio"."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [svg.LIGHT, svg.DARK], ids=["light", "dark"])
def test_pictures_are_legible_in_light_and_dark(colours: dict[str, str]) -> None:
    for ground in ("card", "head"):
        for name in set(colours) - {"card", "head", "rule"}:
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


# ---- the tables by place


def child(code: str, environ: dict[str, str], folder: Path) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "OBSV_PURE_PYTHON") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


STATUS = """
import json, sys, obsv
obsv.init()
print(json.dumps([obsv.status()["platform"], {name: sorted(each) for name, each in obsv.status()["sinks"].items()}]))
"""


@pytest.mark.parametrize("name", sorted(places.PLACES))
def test_a_process_in_that_place_has_the_sinks_of_the_table(name: str, tmp_path: Path) -> None:
    place = places.PLACES[name]
    environ = {**place.given, **place.chosen}
    if place.platform:  # this machine is another one
        environ["OBSV_PLATFORM"] = place.platform
    platform, running = json.loads(child(STATUS, environ, tmp_path))
    assert platform == name.split()[0].replace("app", "app_runner")
    table = places.table(name)
    assert f"<!-- on-aws: place {name} -->\n{table}\n<!-- /on-aws -->" in PAGE
    shown = {(row[0], sink) for row in rows(table) for sink in re.findall(r"^`(\w+)`:", row[-1])}
    assert shown == {(signal, sink) for sink, signals in running.items() for signal in signals}


def test_names_on_the_page_are_names_of_obsvs() -> None:
    for name in re.findall(r"\bOBSV_[A-Z_]+", PAGE):
        assert name in {setting.env for setting in SETTINGS.values()}, name
    for name in re.findall(r"settings\.md#(\w+)|`([a-z]+_[a-z_]+)=", PAGE):
        assert "".join(name) in SETTINGS, name
    for name in re.findall(r"\(sinks\.md#(\w+)\)", PAGE):
        assert name in SINKS, name


# ---- what to allow


WAYS: dict[str, tuple[str, dict[str, Any], str]] = {
    "xray_transport=api": ("xray", {"xray_transport": "api"}, "traces"),
    "signed OTLP, traces": ("otlp", {}, "traces"),
    "signed OTLP, metrics": ("otlp", {}, "metrics"),
    "signed OTLP, logs": ("otlp", {}, "logs"),
    "cloudwatch_logs": ("cloudwatch_logs", {}, "logs"),
}


def batch(signal: str) -> Batch:
    from obsv.hotpath.metrics import Counter
    from telemetry import points

    items: list[Any] = {
        "traces": lambda: [Recorder().trace()],
        "metrics": lambda: points(lambda make: make(Counter, "orders").add(1)),
        "logs": lambda: [log("hello")],
    }[signal]()
    return Batch(signal, items, {"service.name": "orders"})


def refused(server: AwsServer, way: str, *answers: tuple[int, str]) -> str:
    """What a sink says when AWS answers so, one answer a request."""
    name, options, signal = WAYS[way]
    signed = {"otlp_endpoint": server.url, "otlp_sigv4": "always"}
    sink = create(name, resolve({"service": "orders", "config": {**signed, **options}}))
    sink.open({"service.name": "orders"})
    for status, code in answers:
        server.error(status, code, "no")
    try:
        result = sink.send(batch(signal))
    finally:
        sink.close()
    assert type(result) is Retry
    assert result.tell
    return str(result.reason)


RIGHTS = [row for row in rows(section("What to allow")) if len(row) == 4]


@pytest.mark.parametrize("row", [row for row in RIGHTS if row[0].strip("`") in WAYS], ids=lambda row: row[0])
def test_a_missing_right_is_told_as_the_page_says(row: list[str], aws_server: AwsServer) -> None:
    said = refused(aws_server, row[0].strip("`"), (403, "AccessDeniedException"))
    assert said.startswith(row[3].strip("`"))
    assert row[1].strip("`") in said


@pytest.mark.parametrize("way", ["cloudwatch_logs", "signed OTLP, logs"])
@pytest.mark.parametrize("right", ["logs:CreateLogStream", "logs:CreateLogGroup"])
def test_a_missing_right_to_make_groups_and_streams_is_told_as_the_page_says(
    right: str, way: str, aws_server: AwsServer
) -> None:
    [row] = [row for row in RIGHTS if row[1] == f"`{right}`"]
    missing = (400, "ResourceNotFoundException")
    answers = [missing] * (2 if right == "logs:CreateLogGroup" else 1)
    said = refused(aws_server, way, *answers, (403, "AccessDeniedException"))
    assert said.startswith(row[3].strip("`"))


def test_every_way_of_the_table_is_tried() -> None:
    tried = {row[0].strip("`") for row in RIGHTS} & set(WAYS)
    assert tried == set(WAYS)


def test_the_policy_has_every_right_of_the_table() -> None:
    found = re.search(r"```json\n(.*?)```", section("What to allow"), re.DOTALL)
    assert found is not None
    allowed = {action for each in json.loads(found[1])["Statement"] for action in each["Action"]}
    assert allowed == {right for row in RIGHTS for right in re.findall(r"`(\w+:\w+)`", row[1])}


# ---- is it arriving?


COMMANDS = re.findall(r"^aws ([\w-]+) ([\w-]+)(.*)$", section(r"Is it arriving\?"), re.MULTILINE)


@pytest.mark.parametrize(("service", "operation", "rest"), COMMANDS, ids=[" ".join(each[:2]) for each in COMMANDS])
def test_commands_are_those_of_the_cli(service: str, operation: str, rest: str) -> None:
    """By botocore's models, from which the command line is made; ``logs tail`` is a command of its own."""
    if (service, operation) == ("logs", "tail"):
        assert set(re.findall(r"--([\w-]+)", rest)) <= {"since", "follow", "format", "filter-pattern"}
        return
    import botocore.session
    from botocore import xform_name

    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    members = model.operation_model(names[operation]).input_shape.members
    known = {xform_name(member, "-") for member in members}
    flags = set(re.findall(r"--([\w-]+)", rest))
    assert flags <= known, flags - known


# ---- limits


def test_reasons_are_those_that_obsv_gives() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (page.ROOT / "src").rglob("*.py"))
    counted = [word for row in rows(section("Limits")) if len(row) == 3 for word in re.findall(r"`([^`]+)`", row[2])]
    assert len(counted) > 10
    for reason in counted:
        parts = [part for part in re.split(r": (?=too old)|metadata\.", reason) if part]
        assert all(part.strip() in sources for part in parts), reason


def test_links_lead_somewhere() -> None:
    for path, anchor in re.findall(r"\]\((?!https:)([\w./-]*)(#[\w-]+)?\)", PAGE):
        file = page.PAGE.parent / path if path else page.PAGE
        assert file.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor[1:] in slugs, f"{path}{anchor}"
