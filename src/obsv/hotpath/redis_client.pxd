cimport cython

from obsv.hotpath.span cimport Span

cdef dict _known

@cython.locals(options=dict, found=tuple, pairs=tuple)
cpdef describe_command(Span span, object client, tuple args, dict kwargs)
cdef tuple _describe(object client, tuple args)
cdef _keep(tuple key, str word, tuple found)
cdef dict _options(object client)
cpdef tuple place(object client)
cpdef tuple say(object arguments)
