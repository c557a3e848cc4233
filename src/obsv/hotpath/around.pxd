cimport cython
from cpython.object cimport PyObject

from obsv.hotpath.passing cimport Replacement
from obsv.hotpath.span cimport Scope, Span

cdef class Switch:
    cdef public Scope scope
    cdef public bint active

cdef class Call(Switch):
    cdef public object name, hook, unless, where, failed, quiet, answer
    cdef readonly tuple wanted
    cdef public int kind

    cpdef bint hushed(self, object instance) except -1
    cpdef bint refused(self, object instance, tuple args, dict kwargs) except -1
    cpdef bint left_out(self, object instance, tuple args, dict kwargs) except -1
    cpdef before(self, object span, object instance, tuple args, dict kwargs)
    cpdef after(self, object span, object result, object told)

@cython.locals(call=Call, method=bint, span=Span, kwargs=dict)
cdef object call_in_span(Replacement made, PyObject *const *args, size_t count, PyObject *names)
