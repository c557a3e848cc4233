cimport cython

from obsv.hotpath.span cimport Span

cdef dict _known, _last

@cython.locals(options=dict, found=tuple, facts=tuple, key=tuple, last=tuple)
cpdef describe_command(Span span, object client, tuple args, dict kwargs)
cdef bint _same(tuple last, Py_ssize_t count, dict options) except -1
cdef bint _plain(object option) except -1
cdef tuple _describe(dict options, tuple args)
cdef tuple _place(dict options)
@cython.locals(word=str)
cdef _keep(tuple key, tuple found)
cdef dict _options(object client)
cpdef tuple place(object client)
cpdef tuple say(object arguments)
