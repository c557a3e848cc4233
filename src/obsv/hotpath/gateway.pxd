cimport cython

from obsv.hotpath.exchange cimport Exchange
from obsv.hotpath.span cimport Scope, Span

@cython.final
cdef class Door:
    cdef public Scope scope
    cdef public object excluded, version, streaming

    @cython.locals(above=Span, call=Call)
    cdef _enter(self, given, dict environ)

cdef _parent(dict environ)
cpdef decoded(str path)

@cython.final
cdef class Call(Exchange):
    cdef public object status, route, error, token
    cdef public Door door
    cdef public bint streamed, done

    cdef _hold(self, Door door)
    cdef _end(self, error, elapsed)
    cdef _detach(self)
