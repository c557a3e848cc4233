"""The examples of aws-xray-sdk's own README run on obsv as they stand there: they are read from the installed package.

What an example leaves open (``# Do something here``, ``val``, ``handler``) is filled in around it.
"""

from __future__ import annotations

import re
import textwrap
from importlib.metadata import PackageNotFoundError, metadata
from typing import TYPE_CHECKING, Any

import pytest

from xray_programs import LAMBDA, OBSV, Daemon, check, flat, run, tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FENCE = re.compile(r"^```(?:python)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def readme() -> list[str]:
    """The examples, in order."""
    try:
        text = metadata("aws-xray-sdk").get_payload()  # type: ignore[attr-defined]
    except PackageNotFoundError:
        pytest.skip("aws-xray-sdk is not installed")
    return FENCE.findall(str(text))


def example(*words: str) -> str:
    """The one example that has all these words."""
    found = [each for each in readme() if all(word in each for word in words)]
    assert len(found) == 1, f"{len(found)} examples have {words}: another version of the README"
    return re.sub(r"^( *)# Do something here\n(?!\1[^#\s])", r"\1pass\n", found[0], flags=re.MULTILINE)


def in_main(code: str) -> str:
    """An example with ``async with`` at its top, in a coroutine."""
    return f"import asyncio\nasync def main():\n{textwrap.indent(code, '    ')}\nasyncio.run(main())\n"


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    yield made
    made.socket.close()


def sent(daemon: Daemon, tmp_path: Path, code: str, said: str = "", **environment: str) -> list[Any]:
    """Run an example, and return its documents. ``said`` is what obsv may say, one line."""
    documents, errors = run(daemon, tmp_path, OBSV + code, **environment)
    lines = errors.splitlines()
    assert all(said and said in line for line in lines), errors
    check(documents)
    return documents


def test_configuration(daemon: Daemon, tmp_path: Path) -> None:
    code = example("plugins=('EC2Plugin'") + "assert xray_recorder.dynamic_naming.get_name('www.mysite.com')\n"
    assert sent(daemon, tmp_path, code, "says nothing to obsv") == []


NESTED = [{"segment_name": ["subsegment2", "subsegment_name"]}]


def test_context_managers(daemon: Daemon, tmp_path: Path) -> None:
    [document] = sent(daemon, tmp_path, example("with xray_recorder.in_segment('segment_name')"))
    assert [tree(document)] == NESTED
    assert [each["annotations"] for each in document["subsegments"]] == [{"key": "value"}, {"key2": "value2"}]
    assert document["metadata"]["namespace"] == {"key": "<class 'dict'>"}


def test_async_context_managers(daemon: Daemon, tmp_path: Path) -> None:
    code = in_main(example("async with xray_recorder.in_segment_async('segment_name')"))
    assert [tree(each) for each in sent(daemon, tmp_path, code)] == NESTED


def test_begin_and_end(daemon: Daemon, tmp_path: Path) -> None:
    code = example("xray_recorder.begin_segment('segment_name')", "# Close the segment")
    assert [tree(each) for each in sent(daemon, tmp_path, code)] == [{"segment_name": ["subsegment_name"]}]


@pytest.mark.parametrize(("sampled", "names"), [("1", ["sampled_subsegment"]), ("0", [])])
def test_oversampling_mitigation_of_messages(daemon: Daemon, tmp_path: Path, sampled: str, names: list[str]) -> None:
    header = f"Root=1-5759e988-bd862e3fe1be46a994272793;Sampled={sampled}"
    event = {"Records": [{"attributes": {"AWSTraceHeader": header}}]}
    code = example("SqsMessageHelper.isSampled") + f"lambda_handler({event!r}, None)\n"
    assert [each["name"] for each in sent(daemon, tmp_path, code, **LAMBDA)] == names


def test_oversampling_mitigation_of_calls(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("boto3")
    code = example("begin_subsegment_without_sampling", "import boto3")
    code += "boto3.client = lambda name: type('Client', (), {'list_queues': lambda self: 'none'})()\n"
    assert sent(daemon, tmp_path, code + "lambda_handler({}, None)\n", "obsv does not patch", **LAMBDA) == []


def test_capture(daemon: Daemon, tmp_path: Path) -> None:
    segment = "from aws_xray_sdk.core import xray_recorder\nxray_recorder.begin_segment('segment_name')\nval = 7\n"
    code = segment
    code += example("@xray_recorder.capture('subsegment_name')")
    code += example("with xray_recorder.capture('subsegment_name') as subsegment")
    code += example("@xray_recorder.capture_async('subsegment_name')") + "import asyncio\nasyncio.run(main())\n"
    code += in_main(example("async with xray_recorder.capture_async('subsegment_name')"))
    [document] = sent(daemon, tmp_path, code + "xray_recorder.end_segment()\n")
    assert tree(document) == {"segment_name": ["subsegment_name"] * 4}
    assert [each.get("annotations") for each in document["subsegments"]] == [None, {"mykey": 7}, None, {"mykey": 7}]


def test_annotations_by_the_recorder(daemon: Daemon, tmp_path: Path) -> None:
    code = "compute_annotation_val = lambda: 7\ncompute_metadata_body = lambda: {'a': [1]}\n"
    code += example("compute_annotation_val()") + "xray_recorder.end_subsegment()\nxray_recorder.end_segment()\n"
    [document] = sent(daemon, tmp_path, code)
    assert document["annotations"] == {"key": "value"}
    [inner] = document["subsegments"]
    assert inner["annotations"] == {"mykey": 7}
    assert inner["metadata"]["default"] == {"key": "value", "mykey": {"a": [1]}}


def test_disabling(daemon: Daemon, tmp_path: Path) -> None:
    work = "\nfrom aws_xray_sdk.core import xray_recorder\nwith xray_recorder.in_segment('{}'): pass\n"
    off = example("global_sdk_config.set_sdk_enabled(False)") + work.format("off")
    on = example("del os.environ['AWS_XRAY_SDK_ENABLED']") + work.format("on")
    assert [each["name"] for each in sent(daemon, tmp_path, off + on, AWS_XRAY_SDK_ENABLED="false")] == ["on"]


def test_lambda_functions(daemon: Daemon, tmp_path: Path) -> None:
    code = example("def lambda_handler(event, context):\n    # ... some code") + "lambda_handler({}, None)\n"
    [document] = sent(daemon, tmp_path, code, **LAMBDA)
    assert (document["name"], document["type"]) == ("subsegment_name", "subsegment")
    assert document["annotations"] == {"key": "value"}


def test_thread_pools(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("requests")
    code = "import requests\nrequests.Session.send = lambda self, request, **_: __import__('time').sleep(0.01)\n"
    code += "from aws_xray_sdk.core import xray_recorder\nxray_recorder.begin_segment('web')\n"
    code += example("def load_url(url, trace_entity)").replace("requests.get(url)", "work(url)")
    work = "@xray_recorder.capture('work')\ndef work(url): return requests.get(url)\n"
    code = code.replace("def load_url", f"{work}def load_url")
    [document] = sent(daemon, tmp_path, code + "xray_recorder.end_segment()\n")
    assert len([each for each in flat(document) if each["name"] == "work"]) == 5


def test_patching_libraries_and_modules(daemon: Daemon, tmp_path: Path) -> None:
    for place in ("local/module/ref", "other_module"):
        (tmp_path / place).mkdir(parents=True)
    files = {
        "local/module/ref/__init__.py": "def here(): pass\n",
        "local/module/ref/some_file.py": "def left_alone(): pass\n",
        "local/module/ref/another.py": "class Thing:\n    def method(self): pass\n",
        "other_module/__init__.py": "def there(): pass\n",
        "other_module/some_module.py": "def left_alone_too(): pass\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    code = example("stream_sql=True") + example("('boto3', 'mysql', 'requests')") + example("ignore = (")
    code += """
import local.module.ref, local.module.ref.another, local.module.ref.some_file, other_module.some_module
with xray_recorder.in_segment("web"):
    local.module.ref.here()
    local.module.ref.another.Thing().method()
    local.module.ref.some_file.left_alone()
    other_module.there()
    other_module.some_module.left_alone_too()
"""
    [document] = sent(daemon, tmp_path, code, "obsv does not patch mysql")
    assert tree(document) == {"web": ["here", "method", "there"]}


def test_flask(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("flask")
    code = "from flask import Flask\n"
    code += example("dynamic_naming", "import xray_recorder\nfrom aws_xray_sdk.ext.flask.middleware")
    code += "app.add_url_rule('/', view_func=lambda: 'hello')\n"
    code += "for host in ('http://www.mysite.com', 'http://other.example'): app.test_client().get('/', base_url=host)\n"
    assert [each["name"] for each in sent(daemon, tmp_path, code)] == ["www.mysite.com", "fallback_name"]


def test_bottle(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("bottle")
    code = "from bottle import Bottle\n" + example("app = Bottle()")
    code += "app.get('/', callback=lambda: 'hello')\n"
    code += "environ = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/', 'HTTP_HOST': 'www.mysite.com'}\n"
    code += "list(app(environ, lambda *_: None))\n"
    assert [each["name"] for each in sent(daemon, tmp_path, code)] == ["www.mysite.com"]


def test_aiohttp(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    code = """
from aiohttp import web
async def handler(request): return web.Response(text="hello")
def run_app(app):
    import asyncio
    from aiohttp.test_utils import TestClient, TestServer
    async def main():
        async with TestClient(TestServer(app)) as client:
            await client.get("/")
    asyncio.run(main())
web.run_app = run_app
"""
    code += example("web.run_app(app)")
    assert [each["name"] for each in sent(daemon, tmp_path, code, OBSV_PATCH="aws-xray-sdk")] == ["fallback_name"]


def test_ignoring_requests_gives_one_line(daemon: Daemon, tmp_path: Path) -> None:
    code = example("hostname='*.myapp.com'") + example("subclass='botocore")
    assert sent(daemon, tmp_path, code, "add_ignored() has no counterpart") == []
