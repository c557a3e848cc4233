cimport cython

from obsv.hotpath.exchange cimport Exchange
from obsv.hotpath.span cimport Scope, Span

@cython.final
cdef class Door:
    cdef public Scope scope
    cdef public object excluded, version, running, streams, streaming, variable

    @cython.locals(call=Call)
    cpdef see(self, response, returned)
    @cython.locals(call=Call)
    cpdef fail(self, error)
    cpdef request(self)
    @cython.locals(above=Span, call=Call, versions=dict)
    cdef _enter(self, given, dict environ)

@cython.locals(said=tuple)
cdef tuple _server(dict environ, host, scheme)
cdef _parent(dict environ)
cpdef decoded(str path)

@cython.final
cdef class Call(Exchange):
    cdef public object status, route, error, token, mark, named
    cdef public Door door
    cdef public bint streamed, done

    cdef _see(self, response, request)
    cdef _hold(self, Door door)
    cdef _end(self, error, elapsed)
    cdef _detach(self)
