cdef class Readable:
    pass
