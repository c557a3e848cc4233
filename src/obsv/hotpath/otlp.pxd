cimport cython
from obsv.hotpath.span cimport Span, Scope
from obsv.hotpath.wire cimport Writer

@cython.locals(out=Writer, span=Span, count=int, written=Py_ssize_t, begin=Py_ssize_t, inner=Py_ssize_t, scope=Scope)
cpdef bytes traces(batch, bytes resource)

@cython.locals(begin=Py_ssize_t, inner=Py_ssize_t, index=int, flags=cython.uint)
cpdef int write_span(Writer out, Span span) except -1
