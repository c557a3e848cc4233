cimport cython

from obsv.hotpath.readable cimport Readable

cdef bint _on_event_loop() except -1

@cython.final
cdef class BoundedQueue:
    cdef public list items, ready
    cdef public object wake, starter
    cdef public Py_ssize_t records, bytes, max_records, max_bytes, wake_at, dropped, accepted, at, taken
    cdef public Py_ssize_t owed
    cdef public bint sleeping, started, open, busy

    cpdef bint put(self, object item, Py_ssize_t records, Py_ssize_t size)
    @cython.locals(size=Py_ssize_t)
    cpdef bint put_one(self, Readable span)
    @cython.locals(fill=double)
    cdef _give_way(self, Py_ssize_t records)
    cdef bint _refuse(self, Py_ssize_t records)
    cpdef bint fits_alone(self, Py_ssize_t records, Py_ssize_t size)
    @cython.locals(ready=list, at=Py_ssize_t, count=Py_ssize_t, held=Py_ssize_t, records=Py_ssize_t, size=Py_ssize_t, span=Readable)
    cpdef list take(self, Py_ssize_t most)
