cimport cython

from obsv.hotpath.span cimport Span

cdef dict _origins
cdef bint _writes_late

cpdef str url_text(object url)
cdef str _text_and_keep(object url, tuple origin, str path)
cdef _write(object request)
cdef _answered(Span span, object response)
cdef object _peer(object stream)
@cython.locals(span=Span)
cdef _write_span(object write)
cpdef write_late(object write, list lines)
@cython.locals(wire=tuple)
cdef bint _left_to_writer(Span span, object client, object headers) except -1
cdef object _function(object owner, str name)
