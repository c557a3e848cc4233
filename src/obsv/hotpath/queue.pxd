cimport cython

@cython.final
cdef class BoundedQueue:
    cdef public object items, wake, starter
    cdef public Py_ssize_t records, bytes, max_records, max_bytes, wake_at, dropped, accepted
    cdef public bint sleeping, started, open

    cpdef bint put(self, object item, Py_ssize_t records, Py_ssize_t size)
    @cython.locals(count=Py_ssize_t)
    cpdef list take(self, Py_ssize_t most)
