cimport cython

from obsv.hotpath.metrics cimport HistogramCell, Meter
from obsv.hotpath.span cimport Remote, Scope, Span

cdef class Exchange:
    cdef public object answer, method, original, scheme, word
    cdef public Span span
    cdef public long long begun

    cdef _set_up(self, Scope scope, object method, object scheme)
    @cython.locals(span=Span, remote=Remote, asked=bint)
    cpdef open(self, parent, path, query, tuple server, peer, forwarded, version, agent)
    @cython.locals(span=Span)
    cdef _describe(self, path, query, tuple server, peer, forwarded, version, agent)
    @cython.locals(span=Span, meter=Meter)
    cpdef finish(self, status, route, error=*, elapsed=*)
    cpdef seconds(self)
    @cython.locals(cell=HistogramCell, cells=dict)
    cdef _record(self, Meter meter, route, status, kind, elapsed)

@cython.locals(hosts=dict)
cpdef tuple address(host, scheme)
