cdef class Readable:
    cdef public Py_ssize_t extra
