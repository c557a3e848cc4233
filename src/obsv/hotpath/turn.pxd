cimport cython

@cython.final
cdef class Turn:
    cdef dict _held
    cpdef list claim(self)
    cpdef bint take(self, list claim)
    cpdef leave(self, list claim)
    cpdef bint taken(self)
    cpdef bint ours(self)
