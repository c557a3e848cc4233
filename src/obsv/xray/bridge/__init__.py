"""aws-xray-sdk's API on obsv's spans: what is written for that library keeps working, without its machinery.

``finder`` answers ``import aws_xray_sdk...`` with modules made of what is here, whether the library is installed or not
(the patch ``aws_xray_sdk`` decides). ``recorder`` has the calls, ``segments`` what they return (``entity``: what those
have in common), ``managers`` the context managers and decorators, ``current`` finds out which span is meant, and
``said`` turns what is said about an entity into attributes. The rest answers for single modules of the library.

Nothing here is loaded before the program imports ``aws_xray_sdk``.
"""
