from obsv.hotpath.span cimport Scope, Span

cdef class Call:
    cdef public Scope scope
    cdef public object name, hook, unless, where, failed
    cdef public int kind
    cdef public bint active

    cpdef bint left_out(self, object instance, object args, object kwargs) except -1
