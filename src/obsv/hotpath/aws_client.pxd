cimport cython

from obsv.hotpath.span cimport Span

cpdef answered(Span span, object parsed)
cdef tuple _say(object meta)
cdef _set_parameters(Span span, object service, object operation, dict parameters)
cdef _note(Span span, dict known, dict given)
cdef list _tables(dict parameters)
cdef object _describe(Span span, object meta, object operation, object parameters, object receiving)
