cimport cython

from obsv.hotpath.span cimport Span

cdef dict _origins
cdef bint _writes_late

cdef list _near
cdef dict _VERSIONS

@cython.locals(parts=tuple, near=tuple, before=str, path=str)
cpdef str url_text(object url)
cdef _write(object request)
cdef object _peer(object stream)
@cython.locals(span=Span)
cdef _write_span(object write)
@cython.locals(pieces=list, first=bytes, last=bytes, piece=bytes, line=bytes)
cpdef write_late(object write, list lines)
@cython.locals(wire=tuple)
cdef bint _left_to_writer(Span span, object client, object headers) except -1
cdef object _function(object owner, str name)
