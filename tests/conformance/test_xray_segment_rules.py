"""The rules of X-Ray segment documents, one test each (X-Ray developer guide, "Segment documents").

The schema's own rules are checked for any span in ``test_xray_schema``, datagrams in ``test_xray_daemon_rules``, and
the parameters of AWS calls in ``test_xray_aws_parameters``. Optional members that are never written: of a cause
``working_directory``, ``paths`` and ``skipped``, nor is it the id of another's exception (each level has the whole);
``namespace`` is never ``local``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from aws_data import RESOURCE, TRACE, flatten, span
from obsv.hotpath.records import Link
from obsv.hotpath.span import new_span
from obsv.xray.segment import MAX_DOCUMENT, documents
from programs import run

if TYPE_CHECKING:
    from collectors import XRayDaemon

CLIENT, SERVER, PRODUCER, CONSUMER = 2, 1, 3, 4


def write(*trace: Any, resource: dict[str, Any] = RESOURCE, **more: Any) -> list[dict[str, Any]]:
    return [json.loads(text) for text in documents(list(trace), resource, **more)]


def sub(**attributes: Any) -> dict[str, Any]:
    """A client span as a subsegment in a segment."""
    [document] = write(span(2, 1, "call", CLIENT, **attributes), span(1, 0, "root", SERVER))
    found: dict[str, Any] = document["subsegments"][0]
    return found


def seg(**attributes: Any) -> dict[str, Any]:
    [document] = write(span(1, 0, "root", SERVER, **attributes))
    return document


def raised(error: BaseException) -> dict[str, Any]:
    made = span()
    try:
        raise error
    except type(error) as caught:
        made.record_exception(caught)
    made.set_status("error")
    [document] = write(made)
    return document


# ---- required


def test_name_id_trace_id_start_and_end() -> None:
    found = seg()
    assert found["name"] == "shop"
    assert re.fullmatch("[0-9a-f]{16}", found["id"])
    assert re.fullmatch("1-[0-9a-f]{8}-[0-9a-f]{24}", found["trace_id"])
    assert isinstance(found["start_time"], float)
    assert found["end_time"] >= found["start_time"]
    assert "in_progress" not in found


def test_a_segment_without_an_end_is_in_progress() -> None:
    from obsv.hotpath.span import SCOPE

    made = new_span(SCOPE, "open", SERVER)
    made.trace_hi, made.trace_lo = TRACE
    made.id64, made.start_ns, made.started = 1, 10**18, True
    [document] = write(made)
    assert document["in_progress"] is True
    assert "end_time" not in document


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a_b.c:d/e%f&g#h=i+j-k@l", "a_b.c:d/e%f&g#h=i+j-k@l"),
        ("ünï cödé 1", "ünï cödé 1"),
        ("a?b;c*d(e)f!g$h~i^j<k>l", "abcdefghijkl"),
        ("x" * 300, "x" * 200),
    ],
)
def test_names_have_letters_numbers_spaces_and_eleven_symbols_and_200_characters(given: str, name: str) -> None:
    [document] = write(span(), resource={"service.name": given})
    assert document["name"] == name


def test_a_trace_that_streams_sends_each_span_once_and_complete(xray_daemon: XRayDaemon) -> None:
    program = """
        import obsv
        obsv.init("shop", traces="xray", metrics="none", logs="none", config={"batch_records": 100})
        with obsv.span("long"):
            for _ in range(1500):
                with obsv.span("step"):
                    pass
        assert obsv.flush()
        """
    done = run(program, AWS_XRAY_DAEMON_ADDRESS=xray_daemon.address)
    assert (done.returncode, done.stderr) == (0, "")
    xray_daemon.stop()
    made = xray_daemon.documents()
    items = [item for document in made for item in flatten(document)]
    assert len({item["id"] for item in items}) == len(items) == 1501
    assert not any("in_progress" in item for item in items)
    [segment] = [document for document in made if "type" not in document]
    assert {document.get("parent_id") for document in made} == {None, segment["id"]}
    assert len({document["trace_id"] for document in made}) == 1


def test_a_w3c_trace_id_splits_after_eight_digits() -> None:
    assert seg()["trace_id"] == f"1-{TRACE[0] >> 32:08x}-{TRACE[0] & 0xFFFFFFFF:08x}{TRACE[1]:016x}"


def test_a_standalone_subsegment_has_type_trace_id_and_parent_id() -> None:
    [document] = write(span(2, 1))
    assert document["type"] == "subsegment"
    assert document["parent_id"] == f"{1:016x}"
    assert "trace_id" in document


def test_a_remote_parent_is_the_parent_of_a_segment() -> None:
    [document] = write(span(2, 7, remote=True))
    assert document["parent_id"] == f"{7:016x}"
    assert "type" not in document


# ---- optional members


def test_service_version_user_and_resource_arn() -> None:
    found = seg(enduser__id="bob", aws__xray__resource_arn="arn:aws:x")
    assert found["service"]["version"] == "1.2.3"
    assert (found["user"], found["resource_arn"]) == ("bob", "arn:aws:x")
    [document] = write(span(), resource={**RESOURCE, "cloud.resource_id": "arn:aws:lambda:eu-west-1:1:function:f"})
    assert document["resource_arn"] == "arn:aws:lambda:eu-west-1:1:function:f"
    [document] = write(span(), resource={**RESOURCE, "cloud.resource_id": "7"})
    assert "resource_arn" not in document


def test_strings_end_at_250_characters() -> None:
    found = seg(enduser__id="b" * 300, http__request__method="G" * 300, user_agent__original="c" * 300)
    assert len(found["user"]) == len(found["http"]["request"]["method"]) == 250
    assert len(found["http"]["request"]["user_agent"]) == 250


def test_namespaces_are_aws_and_remote_and_only_of_calls() -> None:
    assert sub(rpc__system="aws-api", rpc__service="S3")["namespace"] == "aws"
    assert sub(server__address="example.com")["namespace"] == "remote"
    [document] = write(span(2, 1), span(1, 0))
    assert "namespace" not in document["subsegments"][0]
    assert "namespace" not in seg()


def test_precursors_are_ids() -> None:
    assert sub(aws__xray__precursor_ids=("00000000000000aa", "x"))["precursor_ids"] == ["00000000000000aa"]
    for odd in (7, "00000000000000aa", (7, None, "X" * 16), ()):
        assert "precursor_ids" not in sub(aws__xray__precursor_ids=odd)


def test_links_name_traces_and_spans() -> None:
    made = span()
    made.link_list = [Link(*TRACE, 9, 1, None, {"why": "batch"})]
    [document] = write(made)
    assert document["links"] == [{"trace_id": document["trace_id"], "id": f"{9:016x}", "attributes": {"why": "batch"}}]


def test_what_a_program_says_in_a_namespace_of_ours_is_kept() -> None:
    said = {"aws.xray.metadata.span": '{"a":1}', "aws.xray.metadata.resource": '{"b":2}'}
    found = seg(**said, **{"aws.xray.metadata.obsv": '{"c":3,"trimmed":{"x":"y"}}'})["metadata"]
    assert (found["span"]["a"], found["span"]["name"]) == (1, "root")
    assert (found["resource"]["b"], found["resource"]["service.name"]) == (2, "shop")
    [document] = write(span(**{**said, "aws.xray.metadata.obsv": '{"c":3}', "big": ("x" * 80_000,)}))
    assert document["metadata"]["obsv"] == {"c": 3, "trimmed": {"metadata": 1}}


# ---- http


def test_http_request_and_response() -> None:
    block = seg(
        http__request__method="GET", url__scheme="https", url__path="/a", url__query="b=c", server__address="shop.io",
        user_agent__original="curl", client__address="192.0.2.1", http__response__status_code=200,
        http__response__body__size=17,
    )["http"]  # fmt: skip
    assert block == {
        "request": {
            "method": "GET", "url": "https://shop.io/a?b=c", "user_agent": "curl", "client_ip": "192.0.2.1",
        },
        "response": {"status": 200, "content_length": 17},
    }  # fmt: skip


@pytest.mark.parametrize("said", [{"network__peer__address": "10.0.0.1"}, {"aws__xray__x_forwarded_for": True}])
def test_a_client_address_out_of_a_header_is_marked_as_forwarded(said: dict[str, Any]) -> None:
    request = seg(http__request__method="GET", client__address="192.0.2.1", **said)["http"]["request"]
    assert request["x_forwarded_for"] is True


def test_a_call_of_a_traced_service_can_say_so() -> None:
    assert sub(http__request__method="GET", url__full="http://a/", aws__xray__traced=True)["http"]["request"]["traced"]


def test_no_credentials_stand_in_a_url() -> None:
    assert sub(http__request__method="GET", url__full="http://me:pw@a/b")["http"]["request"]["url"] == "http://a/b"


# ---- sql


def test_sql_is_sanitised_and_has_no_password() -> None:
    block = sub(
        db__system__name="postgresql", db__connection_string="postgresql://bob:secret@db:5432/shop",
        db__query__text="SELECT * FROM t WHERE a = ?", db__user="bob",
    )["sql"]  # fmt: skip
    assert block == {
        "database_type": "postgresql",
        "connection_string": "postgresql://db:5432/shop",
        "sanitized_query": "SELECT * FROM t WHERE a = ?",
        "user": "bob",
    }
    assert sub(db__system__name="mysql", server__address="db", db__namespace="shop")["sql"]["url"] == "mysql://db/shop"


def test_sql_of_a_call_says_so() -> None:
    assert sub(db__system__name="mysql", db__operation__name="CALL")["sql"]["preparation"] == "call"


@pytest.mark.parametrize("field", ["database_version", "driver_version", "database_type", "preparation", "url"])
def test_every_member_of_sql_can_be_said(field: str) -> None:
    assert sub(db__system__name="mysql", **{f"aws.xray.sql.{field}": "said"})["sql"][field] == "said"


# ---- aws


def test_an_aws_call_says_operation_region_request_table_queue_and_retries() -> None:
    block = sub(
        rpc__system="aws-api", rpc__service="DynamoDB", rpc__method="GetItem", cloud__region="eu-west-1",
        aws__request_id="R", aws__extended_request_id="H", aws__dynamodb__table_names=("t",),
        http__request__resend_count=2, cloud__account__id="1",
    )["aws"]  # fmt: skip
    assert block == {
        "operation": "GetItem", "region": "eu-west-1", "request_id": "R", "id_2": "H", "table_name": "t", "retries": 2,
        "account_id": "1",
    }  # fmt: skip
    queue = sub(rpc__system="aws-api", rpc__service="SQS", rpc__method="SendMessage", aws__sqs__queue__url="https://q")
    assert (queue["name"], queue["aws"]["queue_url"]) == ("SQS", "https://q")


def test_parameters_of_an_aws_call_are_members_in_snake_case() -> None:
    """AWS's list of parameters worth recording, under the names that its X-Ray SDKs give them."""
    call = {"rpc__system": "aws-api", "rpc__service": "DynamoDB"}
    for parameters in PARAMETERS.values():
        block = sub(**call, **{f"aws.{parameter}": parameter for parameter in parameters.split()})["aws"]
        assert block == {parameter: parameter for parameter in parameters.split()}
    block = sub(**call, aws__dynamodb__consistent_read=True, aws__dynamodb__projection="a", aws__dynamodb__limit=5)
    assert block["aws"] == {"consistent_read": True, "projection_expression": "a", "limit": 5}


# Of `aws_para_whitelist.json` of aws-xray-sdk-python 2.15.0, in the form that it writes them.
PARAMETERS = {
    "sns": "topic_arn",
    "dynamodb": "attribute_definitions attributes_to_get consistent_read consumed_capacity count "
    "exclusive_start_table_name global_secondary_index_updates global_secondary_indexes index_name "
    "item_collection_metrics limit local_secondary_indexes projection_expression provisioned_throughput "
    "scan_index_forward scanned_count segment select table_count table_name table_names total_segments",
    "sqs": "attribute_names attributes delay_seconds failed failed_count label max_number_of_messages "
    "message_attribute_names message_count message_id queue_count queue_name queue_name_prefix "
    "queue_owner_aws_account_id queue_url queue_urls successful_count visibility_timeout wait_time_seconds",
    "lambda": "function_error function_name invocation_type log_type qualifier status status_code",
    "s3": "bucket bucket_name copy_source key prefix version_id",
    "sagemaker": "endpoint_name",
}


# ---- where it runs

ARN = "arn:aws:logs:eu-west-1:1:log-group:h:*"


@pytest.mark.parametrize(
    ("platform", "launch", "origin", "block"),
    [
        ("aws_ec2", None, "AWS::EC2::Instance", "ec2"),
        ("aws_ecs", None, "AWS::ECS::Container", "ecs"),
        ("aws_ecs", "ec2", "AWS::ECS::EC2", "ecs"),
        ("aws_ecs", "fargate", "AWS::ECS::Fargate", "ecs"),
        ("aws_eks", None, "AWS::EKS::Container", "eks"),
        ("aws_elastic_beanstalk", None, "AWS::ElasticBeanstalk::Environment", "elastic_beanstalk"),
        ("aws_app_runner", None, "AWS::AppRunner::Service", None),
        ("aws_lambda", None, "AWS::Lambda::Function", None),
    ],
)
def test_origin_and_block_of_each_platform(platform: str, launch: str | None, origin: str, block: str | None) -> None:
    resource = {
        **RESOURCE, "cloud.platform": platform, "cloud.account.id": "1", "host.id": "i-1", "container.id": "c",
        "container.name": "n", "k8s.cluster.name": "k", "k8s.pod.name": "p", "service.namespace": "env",
        "aws.log.group.names": ("/g", "h"), "aws.log.group.arns": (ARN, "odd"),
    }  # fmt: skip
    if launch:
        resource["aws.ecs.launchtype"] = launch
    [document] = write(span(), resource=resource)
    assert document["origin"] == origin
    assert document["aws"]["account_id"] == "1"
    assert document["aws"]["cloudwatch_logs"] == [{"log_group": "/g"}, {"log_group": "h", "arn": ARN}]
    assert document["aws"]["xray"]["sdk"] == "obsv for Python"
    assert block is None or document["aws"][block]


def test_the_writing_sdk_and_the_sampling_rule_are_named() -> None:
    resource = {**RESOURCE, "telemetry.distro.version": "1.2"}
    [document] = write(span(aws__xray__sampling_rule="checkout"), resource=resource)
    assert document["aws"]["xray"] == {
        "sdk": "obsv for Python", "sdk_version": "1.2", "auto_instrumentation": True, "sampling_rule_name": "checkout",
    }  # fmt: skip


# ---- errors


@pytest.mark.parametrize(
    ("status", "flags"),
    [(200, set()), (399, set()), (400, {"error"}), (404, {"error"}), (429, {"error", "throttle"}), (500, {"fault"})],
)
def test_4xx_is_an_error_429_a_throttle_too_and_5xx_a_fault(status: int, flags: set[str]) -> None:
    for document in (seg(http__response__status_code=status), sub(http__response__status_code=status)):
        assert {flag for flag in ("error", "throttle", "fault") if document.get(flag)} == flags


def test_flags_can_be_said() -> None:
    assert sub(aws__xray__error=True)["error"] is True
    assert sub(aws__xray__throttle=True)["throttle"] is True
    assert sub(aws__xray__fault=True)["fault"] is True


def test_a_cause_has_the_chain_of_exceptions_with_their_stacks() -> None:
    inner = ValueError("inner")
    outer = KeyError("outer")
    outer.__cause__ = inner
    document = raised(outer)
    first, second = document["cause"]["exceptions"]
    assert (first["type"], first["message"], first["cause"]) == ("KeyError", "'outer'", second["id"])
    assert (second["type"], second["message"]) == ("ValueError", "inner")
    assert all(re.fullmatch("[0-9a-f]{16}", each["id"]) for each in (first, second))
    assert first["remote"] is False
    assert set(first["stack"][0]) == {"path", "line", "label"}
    assert first["stack"][0]["label"] == "raised"  # the innermost first
    assert document["fault"] is True


def test_what_a_call_raised_is_remote() -> None:
    made = span(2, 1, "call", CLIENT)
    made.record_exception(ValueError("x"))
    [document] = write(made, span(1, 0))
    assert document["subsegments"][0]["cause"]["exceptions"][0]["remote"] is True


def test_of_a_deep_stack_the_innermost_frames_are_kept_and_the_others_counted() -> None:
    def deep(levels: int) -> None:
        if not levels:
            raise ValueError("deep")
        deep(levels - 1)

    made = span()
    try:
        deep(90)
    except ValueError as error:
        made.record_exception(error)
    [document] = write(made)
    [exception] = document["cause"]["exceptions"]
    assert len(exception["stack"]) + exception["truncated"] == 92
    assert exception["stack"][0]["label"] == "deep"


# ---- annotations and metadata


def test_annotations_are_text_numbers_and_bools_under_letters_digits_and_underscores() -> None:
    found = seg(**{"order.id": 7, "ünï-x": "a", "ok": True, "f": 1.5, "list": (1,), "k" * 600: 1})
    assert all(re.fullmatch("[a-zA-Z0-9_]{1,500}", key) for key in found["annotations"])
    assert found["annotations"] == {"order_id": 7, "_n__x": "a", "ok": True, "f": 1.5, "k" * 500: 1}
    assert found["metadata"]["default"]["list"] == [1]


def test_annotations_end_at_1000_characters_and_longer_values_stay_whole_in_the_metadata() -> None:
    found = seg(a="x" * 1000, b="x" * 1001)
    assert set(found["annotations"]) == {"a"}
    assert found["metadata"]["default"]["b"] == "x" * 1001


def test_fifty_annotations_of_a_trace_are_indexed_and_the_others_counted() -> None:
    trace = [span(1, 0, **{f"root{n}": n for n in range(30)})]
    trace += [span(2, 1, **{f"child{n}": n for n in range(30)}), span(3, 1, root1=5, more=6)]
    [document] = write(*trace)
    items = {item["id"][-1]: item for item in flatten(document)}
    assert [len(items[number].get("annotations", {})) for number in "123"] == [30, 20, 1]
    assert items["2"]["metadata"]["span"]["annotations_over"] == 10
    assert len(items["2"]["metadata"]["default"]) == 10
    assert items["3"]["annotations"] == {"root1": 5}  # a key that is indexed already takes no room
    assert items["3"]["metadata"]["span"]["annotations_over"] == 1


@pytest.mark.parametrize(
    ("setting", "indexed"),
    [
        (("auto",), {"order_id", "http_route", "obsv_sampling_reason"}),
        (("*",), {"order_id", "http_route", "http_flavor", "db_name", "obsv_sampling_reason"}),
        ((), {"db_name"}),
        (("http.*",), {"http_route", "http_flavor", "db_name"}),
        (("auto", "http.flavor"), {"order_id", "http_route", "http_flavor", "db_name", "obsv_sampling_reason"}),
        (("order.id", "h*r"), {"order_id", "http_flavor", "db_name"}),
    ],
)
def test_which_attributes_are_annotations_is_a_setting(setting: tuple[str, ...], indexed: set[str]) -> None:
    listed: dict[str, Any] = {} if setting == ("auto",) else {"aws__xray__annotations": ("db.name",)}
    listed["obsv__sampling__reason"] = "slow"
    made = span(order__id=7, http__route="/a", http__flavor="1.1", db__name="x", **listed)
    [document] = write(made, annotations=setting)
    assert set(document.get("annotations", {})) == indexed


def test_metadata_is_objects_by_namespace_and_aws_is_reserved() -> None:
    found = seg(**{"aws.xray.metadata.cart": '{"n":{"a":[1]},"AWS.x":1}', "AWS.secret": (1,), "list": (1, 2)})
    assert found["metadata"]["cart"] == {"n": {"a": [1]}, "_AWS.x": 1}
    assert all(isinstance(space, dict) for space in found["metadata"].values())
    assert not any(key.startswith("AWS.") for space in found["metadata"].values() for key in space)
    [of_resource] = map(json.loads, documents([span(1, 0)], {**RESOURCE, "AWS.x": "1"}))
    assert of_resource["metadata"]["resource"]["_AWS.x"] == "1"
    broken = seg(**{"aws.xray.metadata.AWS.x": "{}", "aws.xray.metadata.list": "[1]", "aws.xray.metadata.no": "{"})
    assert set(broken["metadata"]) <= {"resource", "default", "span"}


# ---- sizes


def test_a_document_fits_a_datagram_and_nothing_is_lost_by_splitting() -> None:
    trace = [span(1, 0)] + [span(n, 1, filler__x="y" * 900) for n in range(2, 300)]
    texts = documents(trace, RESOURCE)
    assert MAX_DOCUMENT == 65_507 - 30
    assert all(len(text.encode()) <= MAX_DOCUMENT for text in texts)
    assert len([item for text in texts for item in flatten(json.loads(text))]) == 299


def test_a_span_that_is_too_large_alone_is_trimmed_with_a_count() -> None:
    [document] = write(span(**{f"list{n}": ("x" * 3000,) for n in range(40)}))
    assert len(json.dumps(document)) <= MAX_DOCUMENT
    assert document["metadata"]["obsv"]["trimmed"]["metadata"] > 0


def test_a_span_of_many_precursors_is_trimmed_too() -> None:
    [document] = write(span(**{"aws.xray.precursor_ids": tuple(f"{n:016x}" for n in range(5_000))}))
    assert len(json.dumps(document)) <= MAX_DOCUMENT
    assert document["metadata"]["obsv"]["trimmed"]["blocks"] >= 1


# ---- names of services


def test_aws_words_for_services_name_segments_and_subsegments() -> None:
    assert seg(aws__local__service="checkout")["name"] == "checkout"
    assert sub(aws__remote__service="billing", server__address="10.0.0.1")["name"] == "billing"
    assert sub(rpc__system="aws-api", aws__remote__service="AWS::S3")["name"] == "S3"
