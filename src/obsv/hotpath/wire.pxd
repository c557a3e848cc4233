cimport cython

@cython.final
cdef class Writer:
    cdef unsigned char* data
    cdef public Py_ssize_t size
    cdef Py_ssize_t capacity
    cdef public object out

    cdef int grow(self, Py_ssize_t more) except -1
    cpdef Py_ssize_t position(self)
    cpdef cut(self, Py_ssize_t position)
    cpdef varint(self, unsigned long long value)
    cpdef fixed32(self, int tag, unsigned int value)
    cpdef fixed64(self, int tag, unsigned long long value)
    cpdef float64(self, int tag, double value)
    cpdef number(self, int tag, unsigned long long value)
    cpdef raw(self, bytes data)
    cpdef blob(self, int tag, bytes data)
    cpdef text(self, int tag, str value)
    cpdef ids(self, int tag, unsigned long long hi, unsigned long long lo)
    cpdef id64(self, int tag, unsigned long long value)
    cpdef Py_ssize_t open(self, int tag)
    cpdef close(self, Py_ssize_t begin)
    cpdef attribute(self, int tag, key, value)
    cpdef value(self, value)

cdef dict _keys

cpdef bytes key_bytes(key)
