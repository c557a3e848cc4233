cimport cython

from obsv.hotpath.exchange cimport Exchange
from obsv.hotpath.span cimport Scope, Span

@cython.final
cdef class Door:
    cdef public Scope scope
    cdef public object excluded, deliver, template

    @cython.locals(known=dict, found=dict, call=Call)
    cdef _enter(self, app, scope, send)

@cython.locals(told=tuple)
cdef tuple _server(dict known, host, scheme)
@cython.locals(found=dict, length=Py_ssize_t)
cdef dict _read(list headers)
@cython.locals(data=bytes)
cdef _text(value)

@cython.final
cdef class Call(Exchange):
    cdef public object app, elapsed, forward, mark, root, scope, status, token
    cdef public Door door
    cdef public bint done, trailers

    cdef _hold(self, Door door, app, scope, root, forward)
    cdef _answering(self, message)
    cdef bint _is_last(self, kind, message) except -1
    cpdef sent(self)
    @cython.locals(known=dict)
    cpdef left(self, error)
    cdef _left(self, error)
    cpdef route(self)

@cython.locals(more=dict)
cpdef said(dict scope, root)
