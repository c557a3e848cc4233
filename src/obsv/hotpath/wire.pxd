cimport cython
from cpython.object cimport PyObject

@cython.final
cdef class Writer:
    cdef PyObject* held
    cdef unsigned char* data
    cdef public Py_ssize_t size
    cdef Py_ssize_t capacity
    cdef public object out

    cdef unsigned char* room(self, Py_ssize_t more) except NULL
    cdef void wrote(self, unsigned char* end) noexcept
    cpdef Py_ssize_t position(self) except -1
    cpdef int cut(self, Py_ssize_t position) except -1
    cpdef int varint(self, unsigned long long value) except -1
    @cython.locals(at=cython.p_uchar)
    cpdef int fixed32(self, int tag, unsigned int value) except -1
    @cython.locals(at=cython.p_uchar)
    cpdef int fixed64(self, int tag, unsigned long long value) except -1
    @cython.locals(at=cython.p_uchar)
    cpdef int float64(self, int tag, double value) except -1
    @cython.locals(at=cython.p_uchar)
    cpdef int number(self, int tag, unsigned long long value) except -1
    @cython.locals(length=Py_ssize_t)
    cpdef int raw(self, bytes data) except -1
    cpdef int blob(self, int tag, bytes data) except -1
    @cython.locals(at=cython.p_uchar)
    cpdef int text(self, int tag, str value) except -1
    @cython.locals(at=cython.p_uchar)
    cpdef int ids(self, int tag, unsigned long long hi, unsigned long long lo) except -1
    @cython.locals(at=cython.p_uchar)
    cpdef int id64(self, int tag, unsigned long long value) except -1
    cpdef Py_ssize_t open(self, int tag) except -1
    @cython.locals(length=Py_ssize_t, width=int)
    cpdef int close(self, Py_ssize_t begin) except -1
    cpdef int attribute(self, int tag, key, value) except -1
    @cython.locals(
        name=cython.p_const_char, text=cython.p_const_char, at=cython.p_uchar, long_name=Py_ssize_t, length=Py_ssize_t,
        inner=Py_ssize_t, whole=Py_ssize_t, number=cython.longlong, real=double,
    )
    cdef int _plain(self, int tag, key, value) except -1
    cpdef int value(self, value) except -1

cdef dict _keys

cpdef bytes key_bytes(key)
