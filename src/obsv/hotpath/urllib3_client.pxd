cimport cython

from obsv.hotpath.span cimport Scope, Span

@cython.locals(span=Span)
cdef object _with_context(object headers, Scope scope)
cdef bint _same_trace(Span span, object header) except -1
