cimport cython
from cpython.object cimport PyObject

from obsv.hotpath.around cimport Switch
from obsv.hotpath.passing cimport Replacement
from obsv.hotpath.span cimport Scope, Span

@cython.locals(span=Span)
cpdef bint skipped(object pool) except -1
cdef bint _covered(Span span) except -1
@cython.locals(switch=Switch, span=Span)
cdef object _send(Replacement made, PyObject *const *args, size_t count, PyObject *names)
@cython.locals(switch=Switch)
cdef object _end(Replacement made, PyObject *const *args, size_t count, PyObject *names)
cdef object _with_context(Span span, object headers, Scope scope)
cdef bint _same_trace(Span span, object header) except -1
