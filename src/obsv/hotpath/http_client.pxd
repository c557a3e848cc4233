cimport cython

from obsv.hotpath.span cimport Span

cdef list _recent
cdef dict _KEYS, _origins
cdef frozenset _CLIENTS, _CONTEXT, _LATE
cdef tuple _order
cdef bint _others
cdef object _connections

@cython.locals(verb=str, known=str, beginning=str, facts=tuple)
cpdef describe(Span span, object method, str url)
@cython.locals(end=Py_ssize_t)
cdef _remember(str method, str url, str host, object port)
cpdef answered(Span span, object status, object version)
cpdef connected(Span span, object connection)
cpdef http_status(Span span, object status)
cpdef str text(object value)
@cython.locals(start=Py_ssize_t, end=Py_ssize_t)
cpdef tuple origin(str url)
cdef tuple _split(str scheme, str rest)
@cython.locals(start=Py_ssize_t, end=Py_ssize_t, at=Py_ssize_t)
cpdef str redact(str url)
@cython.locals(xrays=bint)
cpdef list carried(Span span)
@cython.locals(xrays=bint)
cpdef list head_lines(Span span)
@cython.locals(span=Span)
cpdef send_context(object headers, object request, object fresh=*)
cdef bint _merge(object headers, object request, Span span, list pairs) except -1
cpdef bint into_store(object headers, list pairs) except -1
@cython.locals(word=str, kept=list, more=list)
cpdef bint into_list(object headers, list pairs) except -1
cpdef bint of_client(Span span, object besides=*)
cpdef bint plain_ids(Span span) except -1
cpdef bint context_written(object headers) except -1
@cython.locals(span=Span, names=dict)
cpdef bint left_to_connection(object headers) except -1
cpdef bint writes_late(object connection) except -1
@cython.locals(span=Span, lines=list)
cpdef write_late(object connection)
