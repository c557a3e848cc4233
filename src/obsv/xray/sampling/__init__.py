"""X-Ray's centralised sampling: rules and quotas that X-Ray hands out to all processes of a service.

Loaded where the sampler is `xray`, and only then. :class:`~.sampler.XRaySampler` decides, on the request's thread, with
what it has at hand; :class:`~.poller.Poller` asks X-Ray, on a thread of its own.
"""
