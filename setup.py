"""Builds the hot path's extension modules; everything else stands in pyproject.toml.

Each module is an ordinary ``.py`` file in Cython's pure Python mode, so a failed build costs speed and nothing else.
``OBSV_REQUIRE_EXT=1`` makes a failed build an error, ``OBSV_NO_EXT=1`` does not even try.
"""

import os

from setuptools import setup

MODULES = [
    "readable", "records", "span", "queue", "wire", "otlp", "metrics", "api_metrics", "jsontext", "loglines",
    "stdlines", "http_client", "connection", "exchange", "gateway", "turn", "telling", "aws_client",
    "passing", "around", "urllib3_client", "redis_client", "httpx_client", "masking", "keeping",
]  # fmt: skip
DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # the .pxd files say what is typed; annotations are for people and mypy
}


def extensions():
    if os.environ.get("OBSV_NO_EXT") == "1":
        return []
    required = os.environ.get("OBSV_REQUIRE_EXT") == "1"
    try:
        from Cython.Build import cythonize
        from setuptools import Extension
    except ImportError:
        if required:
            raise
        return []
    modules = [
        Extension(
            f"obsv.hotpath.{name}",
            [f"src/obsv/hotpath/{name}.py"],
            extra_compile_args=os.environ.get("OBSV_CFLAGS", "-O3" if os.name == "posix" else "").split(),
        )
        for name in MODULES
    ]
    made = cythonize(modules, compiler_directives=DIRECTIVES, include_path=["src"], build_dir="build/cython")
    for module in made:
        module.optional = not required  # cythonize makes new objects and forgets it
    return made


setup(ext_modules=extensions())
