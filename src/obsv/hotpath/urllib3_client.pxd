cimport cython

from obsv.hotpath.span cimport Scope, Span

cpdef bint skipped(object pool, tuple args, dict kwargs) except -1
cdef bint _covered(Span span) except -1
@cython.locals(span=Span)
cdef object _with_context(object headers, Scope scope)
cdef bint _same_trace(Span span, object header) except -1
